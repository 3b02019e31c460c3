// Listening to a stream of the server for as long as a tab is open.

import { events } from './api.js';

const AGAIN = 3000;

// listen calls each for every event until signal ends, and begins again where the stream
// does: servers end them after a while. gone is called where there is none, tell with what
// is wrong.
export async function listen(path, signal, { each, gone, tell, begins = () => {} }) {
  while (!signal.aborted) {
    try {
      begins();
      await events(path, signal, each);
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      if (problem.status === 404) {
        gone();
        return;
      }
      if (problem.status !== undefined) tell(problem.message); // else it was cut while it ran
    }
    await new Promise((go) => setTimeout(go, AGAIN));
  }
}
