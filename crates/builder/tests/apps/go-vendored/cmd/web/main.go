package main

/*
#include <math.h>
#cgo LDFLAGS: -lm
*/
import "C"

import (
	"fmt"
	"net/http"
	"os"

	"example.com/greet"
)

var version = "unset"

func main() {
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(answer, "%s, version %s, root %v", greet.Words, version, C.sqrt(9))
	})
	if err := http.ListenAndServe(":"+os.Getenv("PORT"), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
