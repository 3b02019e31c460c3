package host

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// Settings are the settings of the transform plugin.
type Settings struct {
	Command   []string       `yaml:"command" local:"true" example:"[./redact]" doc:"The program and its arguments. A path with a slash is looked for from the folder of the pipeline file on, a name in PATH."`
	Name      string         `yaml:"name" example:"redact" doc:"In place of command: the program penstock-plugin-NAME in PATH."`
	SHA256    string         `yaml:"sha256" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" doc:"What penstock plugin verify says of the program and of the files among its arguments; looked at before each start. Empty: it is not looked at."`
	Settings  map[string]any `yaml:"settings" private:"true" example:"{fields: [ua]}" doc:"What the plugin itself takes: penstock plugin describe tells."`
	Timeout   time.Duration  `yaml:"timeout" default:"10s" min:"1ms" doc:"How long the plugin may take for a batch; then its process is killed, and the batch tried in another one."`
	Instances int            `yaml:"instances" default:"1" min:"1" doc:"How many processes share the work."`
	Memory    pipeline.Size  `yaml:"memory" min:"0" example:"512 MiB" doc:"The most memory that a process of the plugin, with what it starts, may hold: the kernel kills it then (Linux, where cgroups may be made; elsewhere a warning says that there is no limit). 0: no limit."`
	CPUs      float64        `yaml:"cpus" min:"0" example:"0.5" doc:"The most CPU that a process of the plugin may take, in cores, where memory could be limited too. 0: no limit."`
	Env       []string       `yaml:"env" example:"[REDACT_KEY]" doc:"Variables of the environment that the plugin sees beside PATH, HOME, LANG, TZ and TMPDIR."`
}

// nameOf gives what messages call the plugin.
func (s Settings) nameOf() string {
	switch {
	case s.Name != "" || len(s.Command) == 0:
		return s.Name
	case len(s.Command) > 1 && !strings.ContainsRune(s.Command[0], filepath.Separator): // an interpreter
		return filepath.Base(s.Command[1])
	}
	return filepath.Base(s.Command[0])
}

// Validate finds what decoding cannot.
func (s Settings) Validate() []pipeline.Problem {
	var problems []pipeline.Problem
	switch {
	case (len(s.Command) == 0) == (s.Name == ""):
		problems = append(problems, pipeline.Problem{What: "a plugin is a program", Do: "write command: [./program], or name"})
	case len(s.Command) > 0 && s.Command[0] == "":
		problems = append(problems, pipeline.Problem{Field: "command", What: "names no program", Do: "write command: [./program]"})
	}
	if s.SHA256 != "" && !isDigest(s.SHA256) {
		problems = append(problems, pipeline.Problem{Field: "sha256", What: "is no SHA-256 in hexadecimal digits", Do: "write what penstock plugin verify says"})
	}
	return problems
}
