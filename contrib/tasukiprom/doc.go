// Package tasukiprom makes metrics for Prometheus: of the queues and the server, by a
// Collector that looks at Redis, and of the jobs of this process, by Metrics, which a
// worker and a client tell.
//
//	collector, err := tasukiprom.NewCollector(inspect.New(client), nil)
//	metrics, err := tasukiprom.NewMetrics(nil)
//	registry := prometheus.NewRegistry()
//	registry.MustRegister(collector, metrics)
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//
// Nothing is registered by itself. docs/telemetry.md has a table of all metrics, and
// deploy has a dashboard and alert rules that are made of them.
package tasukiprom
