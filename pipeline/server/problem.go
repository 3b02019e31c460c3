package server

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/penstock-io/penstock/pipeline"
)

// statusOf gives the HTTP status of what is wrong with a request.
var statusOf = map[Kind]int{
	Invalid: http.StatusUnprocessableEntity, Missing: http.StatusNotFound, Conflict: http.StatusConflict, Stale: http.StatusPreconditionFailed,
}

// problem makes an error an answer (RFC 9457): every mistake of a text with its place.
func problem(err error) error {
	e, ok := asError(err)
	if !ok {
		status := http.StatusInternalServerError
		switch pipeline.ClassOf(err) {
		case pipeline.Unreachable:
			status = http.StatusServiceUnavailable
		case pipeline.Permanent, pipeline.Gap, pipeline.Fenced:
			status = http.StatusConflict
		}
		return huma.NewError(status, err.Error())
	}
	model := &huma.ErrorModel{Status: statusOf[e.Kind], Title: http.StatusText(statusOf[e.Kind]), Detail: e.What}
	if e.Err != nil {
		model.Detail += ": " + e.Err.Error()
	}
	for _, m := range e.Mistakes {
		model.Errors = append(model.Errors, &huma.ErrorDetail{Message: m.What + "; " + m.Do, Location: m.At.String()})
	}
	return model
}
