package config

// Local is a file or program of this machine that a pipeline's file names.
type Local struct {
	At    Place
	Field string // source.file.path
	Text  string // variables put in
}

// Locals gives the files and programs of this machine that the pipeline's file names, in the
// order in which they stand there; ${file:…}, which Parse reads itself, is not among them.
func (p *Pipeline) Locals() []Local { return p.decoder.locals }
