// OpenAI's Go client, unchanged. Set OPENAI_BASE_URL and OPENAI_API_KEY, then: go run . FILE
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/openai/openai-go/v3"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	client := openai.NewClient()

	input := must(os.Open(os.Args[1]))
	file := must(client.Files.New(ctx, openai.FileNewParams{File: input, Purpose: openai.FilePurposeBatch}))
	fmt.Println("file", file.ID)

	request := openai.BatchNewParams{
		InputFileID:      file.ID,
		Endpoint:         openai.BatchNewParamsEndpointV1ChatCompletions,
		CompletionWindow: openai.BatchNewParamsCompletionWindow24h,
	}
	batch := must(client.Batches.New(ctx, request))
	fmt.Println("batch", batch.ID)

	second := must(client.Batches.New(ctx, request))
	second = must(client.Batches.Cancel(ctx, second.ID))
	fmt.Println("cancel", second.ID, second.Status)

	for batch.Status == "validating" || batch.Status == "in_progress" || batch.Status == "finalizing" {
		time.Sleep(500 * time.Millisecond)
		batch = must(client.Batches.Get(ctx, batch.ID))
	}
	fmt.Println("status", batch.Status)

	listed := 0
	pages := client.Batches.ListAutoPaging(ctx, openai.BatchListParams{Limit: openai.Int(2)})
	for pages.Next() {
		listed++
	}
	if err := pages.Err(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("listed", listed)

	for _, id := range []string{batch.OutputFileID, batch.ErrorFileID} {
		if id == "" {
			continue
		}
		content := must(client.Files.Content(ctx, id))
		must(io.Copy(os.Stdout, content.Body))
		content.Body.Close()
	}
}
