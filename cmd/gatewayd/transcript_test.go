package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the transcripts anew; read the difference before you commit it")

// fasthttp's worker pool looks whether it was stopped only every 10s, and its clock runs on.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// command runs one command line against the admin API at address and returns what it printed, both streams
// together, and its exit code. The address is printed as ADMIN.
func command(ctx context.Context, address, token string, args ...string) (printed string, code int) {
	var out bytes.Buffer
	env := map[string]string{"GATEWAYD_ADMIN": address, "GATEWAYD_TOKEN": token}
	code = run(ctx, args, program{env: func(name string) string { return env[name] }, stdin: strings.NewReader(""), stdout: &out, stderr: &out})
	printed = out.String()
	if address != "" {
		printed = strings.ReplaceAll(printed, address, "ADMIN")
	}
	return printed, code
}

// TestTranscripts runs the command lines of testdata/*.txt, which begin with "$ gatewayd", and compares all
// that they print. In a file whose name ends in _failed the stage has errors to tell.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want), strings.HasSuffix(file, "_failed.txt"))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Fatalf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// replay returns the transcript of the command lines and comments in text, on a stage of its own.
func replay(t *testing.T, text string, failed bool) string {
	t.Helper()
	s, address := newStage(t)
	s.failed = failed
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# ") {
			out.WriteString(line)
		}
		args, ok := strings.CutPrefix(line, "$ gatewayd ")
		if !ok {
			continue
		}
		printed, code := command(t.Context(), address, "secret", splitArgs(t, args)...)
		out.WriteString(line + printed)
		if code != exitOK {
			out.WriteString("[exit " + strconv.Itoa(code) + "]\n")
		}
		out.WriteString("\n")
	}
	return out.String()
}

// splitArgs splits at spaces that are not within double quotes.
func splitArgs(t *testing.T, line string) []string {
	t.Helper()
	var args []string
	for i, part := range strings.Split(strings.TrimSpace(line), `"`) {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args
}
