package cli

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline/config"
)

// lookAtFiles is how often files are read that are watched. Reading them again and again
// sees whatever editors and mounts do, and they are small.
const lookAtFiles = 300 * time.Millisecond

// watch runs pipelines, and when their files are saved, runs what they say then: what is
// under way is settled before. It returns when ctx has ended, with the error of what ran
// last, and where nothing can run whatever the files say. A pipeline that fails waits for
// another file.
func (c Components) watch(ctx context.Context, r *runner, files []string, env Environment, running []*built) error {
	now, _ := contents(files) // as it was read a moment ago; else it is read again
	for {
		turn, end := context.WithCancel(ctx)
		waiting, giveUp := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() {
			err := r.run(turn, running)
			if err != nil && !isReported(err) { // it is not about a pipeline
				giveUp()
			}
			ended <- err
		}()
		next, text := c.awaitChange(waiting, r, files, env, now)
		end()
		err := <-ended
		giveUp()
		if next == nil {
			return err
		}
		r.log.Info("the files were changed: the pipelines go on as they say now", "files", strings.Join(files, ", "))
		running, now = next, text
	}
}

// awaitChange waits until the files say something else that can run, and gives that; nil:
// ctx has ended. A text is taken when it is the same twice: nobody is writing it.
func (c Components) awaitChange(ctx context.Context, r *runner, files []string, env Environment, now []config.File) ([]*built, []config.File) {
	refused, before := now, now
	ticker := time.NewTicker(lookAtFiles)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, now
		case <-ticker.C:
		}
		text, err := contents(files)
		settled := err == nil && same(text, before)
		before = text
		if !settled || same(text, now) || same(text, refused) {
			continue
		}
		pipelines, err := c.parseFiles(os.LookupEnv, text...)
		if err == nil {
			err = c.checkPlugins(ctx, pipelines, env.Log)
		}
		var next []*built
		if err == nil {
			next, err = c.buildAll(pipelines, env, r.settings)
		}
		if err == nil {
			return next, text
		}
		refused = text
		r.log.Error("the files were changed, and are wrong: what runs goes on", "error", err.Error())
	}
}

// contents reads pipeline files; those of tests are passed over.
func contents(names []string) (files []config.File, err error) {
	for _, name := range names {
		if config.HoldsTests(name) {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, config.File{Name: name, Data: data})
	}
	return files, nil
}

func same(a, b []config.File) bool {
	return slices.EqualFunc(a, b, func(x, y config.File) bool { return x.Name == y.Name && string(x.Data) == string(y.Data) })
}
