// Drives the page of a server in Chromium: node page.mjs URL OPERATOR-TOKEN READ-ONLY-TOKEN FOLDER.
// Screenshots go into the folder, which has playwright-core and axe-core in its node_modules.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [url, operator, readOnly, folder] = process.argv.slice(2);
const require = createRequire(folder + "/package.json");
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const at = (name) => `[data-test="${name}"]`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let failed = 0;
const check = (holds, what) => {
  console.log(holds ? "ok  " : "FAIL", what);
  if (!holds) failed++;
};

// open gives a page of its own, whose errors are failures.
const open = async (options) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on("pageerror", (e) => check(false, "script: " + e));
  page.on("console", (m) => {
    if (m.type() === "error" && !/status of 4/.test(m.text())) check(false, "console: " + m.text());
  });
  page.on("request", (r) => {
    if (!r.url().startsWith(url)) check(false, "asks somebody else: " + r.url());
  });
  return page;
};

const signIn = async (page, token) => {
  await page.goto(url);
  await page.fill(at("token"), token);
  await page.click(at("sign-in"));
  await page.waitForSelector(at("row-shop"));
};

const state = (page, name, word) => page.waitForSelector(`${at("state-" + name)}[data-state=${word}]`);

const accessible = async (page, what) => {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  for (const v of found.violations) console.log("    ", v.id, v.nodes.slice(0, 2).map((n) => n.html.slice(0, 160)).join(" | "));
  check(found.violations.length === 0, "axe: " + what);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(wide <= 0, "nothing is wider than the window: " + what);
};

const page = await open({ colorScheme: "dark" });
await page.goto(url);
await page.waitForSelector(at("token"));
await accessible(page, "sign-in");
await page.fill(at("token"), "penstock_nobody");
await page.click(at("sign-in"));
await page.waitForSelector(at("sign-in-error"));
check(true, "a wrong token is refused");
await signIn(page, operator);
check((await page.context().cookies()).every((c) => c.httpOnly && c.sameSite === "Strict"), "no script can read the token");

// The table.
await state(page, "shop", "RUNNING");
await page.waitForFunction((row) => /[1-9]/.test(document.querySelector(row)?.textContent ?? ""), at("row-generated") + " .rate");
await page.fill(at("filter"), "generated");
check((await page.locator("tbody tr").count()) === 1, "the filter");
await page.fill(at("filter"), "");
await page.screenshot({ path: folder + "/list.png" });
await accessible(page, "list");

// A new pipeline: mistakes, a preview, and saved.
await page.click(at("new"));
const text = "name: made-here\nsource: {generate: {rate: 20}, format: json}\ntransforms:\n  - filter: value.quantity > 1\nsink: {drop: {}}\ndelivery: at_most_once\n";
await page.fill(at("editor"), text.replace("generate:", "generatee:"));
await page.waitForSelector(at("mistake"));
check(/generate/.test(await page.textContent(at("mistake"))), "the mistake: " + (await page.textContent(at("mistake"))));
await page.screenshot({ path: folder + "/mistake.png" });
await accessible(page, "editor with a mistake");
await page.fill(at("editor"), text);
await page.click(at("save"));
await state(page, "made-here", "RUNNING");
check(true, "a pipeline is made");

// Every turn.
await page.click(at("pause"));
await state(page, "made-here", "PAUSED");
await page.click(at("resume"));
await state(page, "made-here", "RUNNING");
await page.click(at("stop"));
await page.waitForSelector(at("confirm"));
await page.keyboard.press("Escape");
await page.waitForSelector(at("confirm"), { state: "detached" });
await state(page, "made-here", "RUNNING");
check(true, "a stop can be thought over");
await page.click(at("stop"));
await page.click(at("confirm"));
await state(page, "made-here", "STOPPED");
await page.click(at("resume"));
await state(page, "made-here", "RUNNING");
await page.click(at("restart"));
if (await page.locator(at("confirm")).count()) await page.click(at("confirm"));
await state(page, "made-here", "RUNNING");
check(true, "paused, resumed, stopped, restarted");
await page.screenshot({ path: folder + "/pipeline.png" });
await accessible(page, "pipeline");

// The editor of one that is there.
await page.click(at("tab-yaml"));
await page.waitForFunction((editor) => document.querySelector(editor)?.value, at("editor"));
await page.fill(at("editor"), (await page.inputValue(at("editor"))) + "# changed\n");
await page.click(at("save"));
await page.waitForFunction((save) => document.querySelector(save)?.disabled, at("save"));
const saved = await page.evaluate(async () => (await fetch("/v1/pipelines/made-here/text")).text());
check(saved.endsWith("# changed\n"), "the change is saved");
await page.click(at("preview") + " summary");
await page.click(at("try"));
await page.waitForSelector(at("previewed") + " " + at("record"));
check(true, "a preview of samples");
await page.screenshot({ path: folder + "/preview.png" });

// Records on their way, and the log.
await page.click(at("tab-tap"));
await page.waitForSelector(at("record"));
await page.locator(at("record")).first().locator("summary").click();
await page.waitForSelector(at("stage"));
check(/filter/.test(await page.locator(at("record")).first().textContent()), "the tap shows the stages");
await page.screenshot({ path: folder + "/tap.png" });
await accessible(page, "tap");
await page.click(at("tab-log"));
await page.waitForFunction(() => /pipeline starts/.test(document.body.textContent));
check(true, "the log");
await accessible(page, "log");

// What was refused: looked into, and given back.
await page.goto(url + "/#/pipelines/shop/letters");
await page.waitForSelector(".letter");
await page.locator(".letter summary").first().click();
check(/no JSON/.test(await page.textContent(".letter")), "a dead letter is looked into");
await page.screenshot({ path: folder + "/letters.png" });
await accessible(page, "dead letters");
await page.click(at("replay-all"));
await page.click(at("confirm"));
await page.waitForFunction(() => document.querySelectorAll(".letter").length === 0 || /again|given back|replayed/i.test(document.body.textContent));
check(true, "all are given back");

// One that a file has is not changed here; one of the API is deleted.
await page.goto(url + "/#/pipelines/generated/yaml");
await page.waitForFunction((editor) => document.querySelector(editor)?.readOnly, at("editor"));
check(await page.isHidden(at("save")), "a file's pipeline is read-only");
await page.goto(url + "/#/pipelines/made-here");
await page.click(at("delete"));
await page.screenshot({ path: folder + "/dialog.png" });
await accessible(page, "dialog");
await page.click(at("confirm"));
await page.waitForSelector(at("row-shop"));
check((await page.locator(at("row-made-here")).count()) === 0, "it is deleted");
await page.goto(url + "/#/reference");
await page.waitForFunction(() => /redis_list/.test(document.body.textContent));
await accessible(page, "reference");

// On a phone, in the light, to look.
const phone = await open({ colorScheme: "light", viewport: { width: 360, height: 740 } });
await signIn(phone, readOnly);
await accessible(phone, "list on a phone");
await phone.screenshot({ path: folder + "/phone.png" });
await phone.goto(url + "/#/pipelines/shop");
await phone.waitForSelector(at("pause"));
await accessible(phone, "pipeline on a phone");
await phone.screenshot({ path: folder + "/phone-pipeline.png" });
await phone.click(at("pause"));
await phone.waitForSelector(at("error"));
await state(phone, "shop", "RUNNING");
check(true, "who may look only is told so");
await phone.goto(url);
await phone.click(at("sign-out"));
await phone.waitForSelector(at("token"));
check(true, "signed out");

// Without a mouse.
const keys = await open({ colorScheme: "light" });
await keys.goto(url);
await keys.waitForSelector(at("token"));
await keys.keyboard.type(operator);
await keys.keyboard.press("Enter");
await keys.waitForSelector(at("row-shop"));
let reached = false;
for (let i = 0; i < 60 && !reached; i++) {
  await keys.keyboard.press("Tab");
  reached = await keys.evaluate(() => document.activeElement?.closest('[data-test="row-shop"]') !== null);
}
await keys.keyboard.press("Enter");
await keys.waitForSelector(at("pause"));
check(reached && /pipelines\/shop/.test(keys.url()), "a pipeline is opened by keys");

await browser.close();
console.log(failed === 0 ? "all is well" : failed + " failed");
process.exit(failed === 0 ? 0 : 1);
