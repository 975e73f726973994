package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"gatewayd/admin/api"
)

// writeJSON sends v with that status.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(presentable(v))
	if err != nil { // such as a figure behind a pointer that is not a number
		status = http.StatusInternalServerError
		body, _ = json.Marshal(api.Error{Message: fmt.Sprintf("cannot encode the answer: %v", err)})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that went away needs no answer
}

// presentable returns a copy of v in which no list is nil and every figure is a number.
func presentable(v any) any {
	if v == nil {
		return nil
	}
	copied := reflect.New(reflect.TypeOf(v)).Elem()
	copied.Set(reflect.ValueOf(v))
	tidy(copied)
	return copied.Interface()
}

// tidy makes every nil slice within v an empty one, so that clients read [] and never null, and
// a rate of nothing by nothing 0, since JSON has no NaN and one bad figure must not hide all others. v must
// be settable. What v points to is not touched: it is not ours.
func tidy(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 { // bytes are no list
			return
		}
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			return
		}
		if elem := v.Type().Elem().Kind(); elem != reflect.Struct && elem != reflect.Slice {
			return
		}
		copied := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(copied, v)
		for i := range copied.Len() {
			tidy(copied.Index(i))
		}
		v.Set(copied)
	case reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			v.SetFloat(0)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				tidy(v.Field(i))
			}
		}
	}
}

// writeError sends err as an api.Error and returns the status.
func writeError(w http.ResponseWriter, err error) int {
	var answer *api.Error
	if !errors.As(err, &answer) {
		answer = &api.Error{Message: err.Error()}
	}
	status := answer.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="gatewayd"`)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "6")
	}
	writeJSON(w, status, struct {
		Message string   `json:"error"`
		Field   string   `json:"field,omitempty"`
		Details []string `json:"details,omitempty"`
	}{answer.Message, answer.Field, answer.Details})
	return status
}

// readJSON decodes the body of r, which must be one JSON object with known fields. An empty
// body is the zero value.
func readJSON[T any](r *http.Request) (T, error) {
	var v T
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&v)
	if errors.Is(err, io.EOF) {
		return v, nil
	}
	if err == nil && decoder.More() {
		err = errors.New("something follows the JSON object")
	}
	if err != nil {
		return v, decodeError(err)
	}
	return v, nil
}

// decodeError words what is wrong with a body, with the field where it is known.
func decodeError(err error) *api.Error {
	var tooLarge *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &tooLarge):
		return &api.Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)}
	case errors.As(err, &wrongType):
		return &api.Error{Status: http.StatusBadRequest, Field: wrongType.Field,
			Message: fmt.Sprintf("got a JSON %s; want %s", wrongType.Value, jsonKind(wrongType.Type))}
	}
	message := strings.TrimPrefix(err.Error(), "json: ")
	if field, ok := strings.CutPrefix(message, "unknown field "); ok {
		field = strings.Trim(field, `"`)
		return &api.Error{Status: http.StatusBadRequest, Field: field, Message: fmt.Sprintf("there is no field %q", field)}
	}
	return &api.Error{Status: http.StatusBadRequest, Message: "the body is not valid JSON: " + message}
}

// jsonKind names what JSON has to hold for a Go type.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// checkContentType refuses a body that is not declared as JSON. An HTML form cannot
// declare that, which is one more wall against cross-site requests.
func checkContentType(r *http.Request) *api.Error {
	declared := r.Header.Get("Content-Type")
	if declared == "" && r.ContentLength == 0 {
		return nil
	}
	if mediaType, _, err := mime.ParseMediaType(declared); err == nil && mediaType == "application/json" {
		return nil
	}
	return &api.Error{Status: http.StatusUnsupportedMediaType, Field: "Content-Type",
		Message: fmt.Sprintf("got %q; want application/json", declared)}
}
