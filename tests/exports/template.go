// Renders a Modelfile's template for conversations with Go's text/template, with the fields that Ollama gives.
//
//	go run template.go < '{"template": "…", "conversations": [[{"Role": "user", "Content": "…"}]]}'
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type message struct {
	Role    string
	Content string
}

func main() {
	var request struct {
		Template      string      `json:"template"`
		Conversations [][]message `json:"conversations"`
	}
	check(json.NewDecoder(os.Stdin).Decode(&request))
	parsed, err := template.New("").Parse(request.Template)
	check(err)
	texts := []string{}
	for _, messages := range request.Conversations {
		var text strings.Builder
		check(parsed.Execute(&text, map[string]any{"Messages": messages}))
		texts = append(texts, text.String())
	}
	check(json.NewEncoder(os.Stdout).Encode(texts))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
