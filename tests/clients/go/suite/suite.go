// Package suite is the frame of a Go suite: named tests, one JSON line for each. See python/harness.py for what a test may
// return as seen.
package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

const deadline = 20 * time.Second

type Test struct {
	Name string
	Run  func(ctx context.Context) (any, error)
}

type result struct {
	Test  string `json:"test"`
	OK    bool   `json:"ok"`
	Saw   any    `json:"saw"`
	Error string `json:"error,omitempty"`
}

// Failure ends a test from deep inside: see Must.
type Failure struct{ err error }

// Must returns the value, or ends the test with the error.
func Must[T any](value T, err error) T {
	Check(err)
	return value
}

// Check ends the test when there is an error.
func Check(err error) {
	if err != nil {
		panic(Failure{err})
	}
}

// Expect ends the test when a condition does not hold.
func Expect(condition bool, what string) {
	if !condition {
		panic(Failure{fmt.Errorf("not as expected: %s", what)})
	}
}

func runOne(test Test) (out result) {
	out = result{Test: test.Name, OK: true}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	defer func() {
		switch broken := recover().(type) {
		case nil:
		case Failure:
			out = result{test.Name, false, broken.err.Error(), fmt.Sprintf("%+v", broken.err)}
		default:
			out = result{test.Name, false, "panic", fmt.Sprint(broken)}
		}
	}()
	saw, err := test.Run(ctx)
	Check(err)
	out.Saw = saw
	return out
}

// Main runs all tests, or those named as arguments.
func Main(tests []Test) {
	wanted := " " + strings.Join(os.Args[1:], " ") + " "
	for _, test := range tests {
		if len(os.Args) > 1 && !strings.Contains(wanted, " "+test.Name+" ") {
			continue
		}
		line, err := json.Marshal(runOne(test))
		if err != nil {
			line, _ = json.Marshal(result{Test: test.Name, Error: err.Error()})
		}
		fmt.Println(string(line))
	}
}
