WORDS = "Hello from a package by path"
