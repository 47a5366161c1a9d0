package embedded_test

import (
	"context"
	"fmt"
	"log"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/embedded"
)

func Example() {
	srv, err := embedded.Start("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()

	option := rueidis.MustParseURL(srv.URL())
	option.DisableCache = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	client.Do(ctx, client.B().Rpush().Key("mail").Element("welcome ada").Build())
	job, err := client.Do(ctx, client.B().Blmove().Source("mail").Destination("held").Left().Right().Timeout(1).Build()).ToString()
	fmt.Println(job, err)
	// Output: welcome ada <nil>
}
