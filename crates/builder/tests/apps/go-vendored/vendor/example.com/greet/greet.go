// Package greet is a module that only vendor/ has.
package greet

const Words = "Hello from a vendored module"
