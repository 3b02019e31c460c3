package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/template"
)

// The chart's measures, in pixels.
const (
	chartWidth = 960
	barLeft    = 370
	barWidth   = 340
	barHeight  = 22
	rowHeight  = 32
	groupGap   = 46
)

// WriteSVG draws the records a second of each row as a bar, the rows of a kind
// of source together and on a scale of their own.
func (r *Report) WriteSVG(w io.Writer) error {
	c := chart{Width: chartWidth, Left: barLeft, Bar: barHeight}
	y := 52
	for _, from := range []string{"stream", "list"} {
		if group := r.chartGroup(from, y); len(group.Bars) > 0 {
			c.Groups = append(c.Groups, group)
			y += groupGap + len(group.Bars)*rowHeight
		}
	}
	c.Height, c.Foot = y+20, y
	h := r.Header
	c.Note = escape(fmt.Sprintf("%s, %d cores; Redis %s, Kafka %s; events of %d bytes; medians of %d runs of about %.0f s",
		h.CPU, h.Cores, h.Redis, h.Kafka, h.EventBytes, h.Runs, h.Seconds))
	if err := chartTemplate.Execute(w, c); err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	return nil
}

type chart struct {
	Width, Height, Left, Bar, Foot int
	Groups                         []chartGroup
	Note                           string
}

type chartGroup struct {
	Title string
	Y     int
	Bars  []chartBar
}

type chartBar struct {
	Title, Value, Colour string
	Y, Middle            int
	Width, End           int
}

func (r *Report) chartGroup(from string, y int) chartGroup {
	group := chartGroup{Title: escape(from + " → Kafka, records a second"), Y: y}
	fastest := 0.0
	for _, row := range r.Rows {
		if row.From == from {
			fastest = max(fastest, row.Rate())
		}
	}
	for _, row := range r.Rows {
		if row.From != from || len(row.Runs) == 0 {
			continue
		}
		top := y + 14 + len(group.Bars)*rowHeight
		width := max(1, int(barWidth*row.Rate()/fastest))
		bar := chartBar{
			Title: escape(row.Title), Value: thousands(row.Rate()), Colour: "#9aa5b1",
			Y: top, Middle: top + barHeight/2 + 5, Width: width, End: barLeft + width + 8,
		}
		if strings.HasPrefix(row.Name, "penstock") {
			bar.Colour = "#1f7a8c"
		}
		if v := row.Verdict(); !v.Clean() {
			bar.Colour, bar.Value = "#c0392b", "wrong: "+v.String()
		}
		group.Bars = append(group.Bars, bar)
	}
	return group
}

func escape(s string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(s)) // a Builder takes everything
	return out.String()
}

var chartTemplate = template.Must(template.New("chart").Parse(
	`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" viewBox="0 0 {{.Width}} {{.Height}}" font-family="system-ui, sans-serif" font-size="14">
<rect width="100%" height="100%" fill="#ffffff"/>
{{- $c := .}}
{{- range .Groups}}
<text x="20" y="{{.Y}}" font-weight="bold" fill="#222222">{{.Title}}</text>
{{- range .Bars}}
<text x="20" y="{{.Middle}}" fill="#444444">{{.Title}}</text>
<rect x="{{$c.Left}}" y="{{.Y}}" width="{{.Width}}" height="{{$c.Bar}}" rx="3" fill="{{.Colour}}"/>
<text x="{{.End}}" y="{{.Middle}}" fill="#222222">{{.Value}}</text>
{{- end}}
{{- end}}
<text x="20" y="{{.Foot}}" font-size="11" fill="#777777">{{.Note}}</text>
</svg>
`))
