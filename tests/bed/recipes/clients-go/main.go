// A client in pure Go that produces to a topic and consumes from it, steadily, with nothing but the mounted single files.
//
// It writes a line for each record that it consumes, and what its library has to say, to standard output and error.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const mounted = "/var/run/secrets/kafka/"

func read(name string) string {
	content, err := os.ReadFile(mounted + name)
	if err != nil {
		log.Fatalln("error", err)
	}
	return string(content)
}

func login() sasl.Mechanism {
	auth := scram.Auth{User: read("username"), Pass: read("password")}
	switch mechanism := read("sasl.mechanism"); mechanism {
	case "SCRAM-SHA-256":
		return auth.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return auth.AsSha512Mechanism()
	default:
		log.Fatalln("error: unknown mechanism", mechanism)
		return nil
	}
}

func main() {
	log.SetFlags(0)
	topic := os.Args[1]
	name, err := os.Hostname()
	if err != nil {
		log.Fatalln("error", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM([]byte(read("ca.crt"))) {
		log.Fatalln("error: no certificate in ca.crt")
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(read("bootstrap.servers"), ",")...),
		kgo.DialTLSConfig(&tls.Config{RootCAs: trusted}),
		kgo.SASL(login()),
		kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(read("group.id")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
	)
	if err != nil {
		log.Fatalln("error", err)
	}
	ctx := context.Background()
	go func() {
		for n := 1; ; n++ {
			value := fmt.Sprintf("tick %s %d", name, n)
			client.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}, func(_ *kgo.Record, err error) {
				if err != nil {
					log.Println("error", err)
				}
			})
			time.Sleep(300 * time.Millisecond)
		}
	}()
	for {
		fetches := client.PollFetches(ctx)
		fetches.EachError(func(_ string, _ int32, err error) { log.Println("error", err) })
		fetches.EachRecord(func(record *kgo.Record) { fmt.Println(string(record.Value)) })
	}
}
