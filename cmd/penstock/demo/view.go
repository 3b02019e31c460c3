package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/penstock-io/penstock/pipeline/engine"
)

// frame is how often the screen is drawn.
const frame = 200 * time.Millisecond

// View shows the figures on a terminal until somebody presses Ctrl-C or q, or ctx
// ends.
func View(ctx context.Context, in io.Reader, out io.Writer, figures func() Figures) error {
	program := tea.NewProgram(newScreen(figures), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	defer context.AfterFunc(ctx, program.Quit)()
	_, err := program.Run()
	return err
}

// screen is the model of the view.
type screen struct {
	figures func() Figures
	now     Figures
	pushed  meter
	arrived meter
	rates   [2]float64
	history []float64 // rate of arrivals, a frame each
	width   int
}

func newScreen(figures func() Figures) *screen {
	return &screen{figures: figures, now: figures(), width: 80}
}

// drawn is the message that it is time to draw.
type drawn struct{}

func nextFrame() tea.Cmd { return tea.Tick(frame, func(time.Time) tea.Msg { return drawn{} }) }

// Init starts the clock.
func (s *screen) Init() tea.Cmd { return nextFrame() }

// Update takes keys, sizes and the clock.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		if key := msg.String(); key == "ctrl+c" || key == "q" {
			return s, tea.Quit
		}
	case tea.WindowSizeMsg:
		s.width = max(msg.Width, 20)
	case drawn:
		s.look()
		return s, nextFrame()
	}
	return s, nil
}

// look takes the figures of now.
func (s *screen) look() {
	s.now = s.figures()
	s.rates = [2]float64{s.pushed.rate(s.now.Elapsed, s.now.Pushed), s.arrived.rate(s.now.Elapsed, s.now.Arrived)}
	s.history = append(s.history, s.rates[1])
	if over := len(s.history) - historyLength; over > 0 {
		s.history = s.history[over:]
	}
}

// View draws.
func (s *screen) View() tea.View {
	v := tea.NewView(s.text())
	v.AltScreen = true
	v.WindowTitle = "penstock demo"
	return v
}

var (
	title = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	good  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	bad   = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
)

// text gives the whole screen.
func (s *screen) text() string {
	f := s.now
	lines := append([]string{
		title.Render("penstock demo") + "   " + f.Pipeline + " is " + stateText(f.State.Name) + faint.Render(fmt.Sprintf("   %.0f s", f.Elapsed.Seconds())),
	}, s.wrapped(f.State.Reason)...)
	lines = append(lines,
		"",
		faint.Render("  from  ")+"Redis list "+f.List+faint.Render("  "+where(f.Servers.EmbeddedRedis)),
		faint.Render("  to    ")+"Kafka topic "+f.Topic+faint.Render("  "+where(f.Servers.EmbeddedKafka)),
		faint.Render("  page  ")+f.Page,
		"",
		fmt.Sprintf("  %-12s%10s  %6.0f/s", "pushed", grouped(f.Pushed), s.rates[0]),
		fmt.Sprintf("  %-12s%10s  %6.0f/s  %s", "in Kafka", grouped(f.Arrived), s.rates[1], good.Render(sparkline(s.history))),
		fmt.Sprintf("  %-12s%10s", "waiting", grouped(f.waiting())),
		fmt.Sprintf("  %-12s%10s  %s", "position", grouped(f.position()), faint.Render(grouped(f.Engine.Transactions)+" transactions")),
		fmt.Sprintf("  %-12s%s", "latency", f.latency()),
		"",
		title.Render("Last records in Kafka"),
	)
	for _, a := range f.Last {
		lines = append(lines, fmt.Sprintf("  %s %s %s", faint.Render(fmt.Sprintf("%2d:%-6d", a.Partition, a.Offset)), good.Render(a.Key), clean(a.Value)))
	}
	if len(f.Notes) > 0 {
		lines = append(lines, "", title.Render("Notes"))
		for _, note := range f.Notes {
			lines = append(lines, "  "+clean(note))
		}
	}
	lines = append(lines, "", faint.Render("Ctrl-C ends"))
	for i, line := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(s.width).Render(line)
	}
	return strings.Join(lines, "\n")
}

func stateText(name engine.StateName) string {
	if name == engine.Running {
		return good.Render(string(name))
	}
	return bad.Render(string(name))
}

// wrapped gives a text in lines that fit the screen, none where there is no text.
func (s *screen) wrapped(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.Split(lipgloss.Wrap(clean(text), s.width-2, ""), "\n")
	for i, line := range lines {
		lines[i] = "  " + bad.Render(line)
	}
	return lines
}

func where(embedded bool) string {
	if embedded {
		return "embedded in this process"
	}
	return "yours"
}

// clean takes out what a terminal would obey.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// historyLength is how many frames the sparkline holds.
const historyLength = 30

// sparkline draws numbers as bars, the largest of them the highest.
func sparkline(numbers []float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	most := 0.0
	for _, n := range numbers {
		most = max(most, n)
	}
	var s strings.Builder
	for _, n := range numbers {
		height := 0
		if most > 0 {
			height = int(n / most * float64(len(bars)-1))
		}
		s.WriteRune(bars[height])
	}
	return s.String()
}
