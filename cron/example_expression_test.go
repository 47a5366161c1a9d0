package cron_test

import (
	"fmt"
	"log"
	"time"

	"github.com/tasuki-dev/tasuki/cron"
)

// Clocks in Berlin go from 02:00 to 03:00 on 28 March: that day's run is at 03:00.
func ExampleParse() {
	s, err := cron.Parse("30 2 * * *", "Europe/Berlin", "report")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Explain("en"))
	fmt.Println(s.Explain("ja"))
	at := time.Date(2027, 3, 27, 0, 0, 0, 0, time.UTC)
	for range 3 {
		at = s.Next(at)
		fmt.Println(at)
	}

	_, err = cron.Parse("0 25 * * *", "", "")
	fmt.Println(err)
	// Output:
	// At 02:30, every day (Europe/Berlin)
	// 毎日02:30 (Europe/Berlin)
	// 2027-03-27 02:30:00 +0100 CET
	// 2027-03-28 03:00:00 +0200 CEST
	// 2027-03-29 02:30:00 +0200 CEST
	// cron: hour (field 2): "25": allowed are 0 to 23
}
