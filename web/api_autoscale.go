package web

import "time"

func (d *Dashboard) apiAutoscale() []endpoint {
	return []endpoint{get("/autoscale/{queue}", View, "How much work a queue has, as KEDA's metrics-api scaler reads it with valueLocation value", d.getAutoscale)}
}

// apiLoad is how much work a queue has.
type apiLoad struct {
	Queue string `json:"queue"`
	// Value is how many jobs are ready, suspect, due or run: what workers are needed for now. Those
	// that are for later are not in it.
	Value   int64 `json:"value"`
	Ready   int64 `json:"ready"` // and suspect
	Due     int64 `json:"due"`   // scheduled or to be retried, and due: no worker has moved them yet
	Running int64 `json:"running"`
	Workers int   `json:"workers"`
	Paused  bool  `json:"paused"` // what is ready stays where it is, however many workers there are
	// Latency is how long the oldest ready job has waited; 0 if there is none.
	Latency        time.Duration `json:"latency_ns"`
	LatencySeconds float64       `json:"latency_seconds"`
}

func (d *Dashboard) getAutoscale(q *request) (*apiLoad, error) {
	found, err := d.getQueue(q)
	if err != nil {
		return nil, err
	}
	due, err := d.inspector.Due(q.r.Context(), found.Name)
	if err != nil {
		return nil, err
	}
	ready := found.Ready + found.Suspect
	return &apiLoad{
		Queue: found.Name, Value: ready + due + found.Running, Ready: ready, Due: due, Running: found.Running, Workers: found.Workers, Paused: found.Paused,
		Latency: found.Latency, LatencySeconds: found.Latency.Seconds(),
	}, nil
}
