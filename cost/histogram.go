package cost

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"time"
)

// The numbers are those of the Kubernetes vertical pod autoscaler's recommender:
// buckets that grow by 5 %, a half-life of 24 hours, and weights below 1e-4 that do not count.
const (
	bucketGrowth = 1.05
	halfLife     = 24 * time.Hour
	leastWeight  = 1e-4
	renormAfter  = 40 // halvings that a weight may grow before all are scaled down
)

// histogram is of a figure that matters less the older it is. Bucket i begins at
// first (growth^i - 1)/(growth - 1).
type histogram struct {
	first   float64
	buckets int
	weights map[int]float64
	total   float64
	ref     time.Time // weight of a sample is 2^((t-ref)/halfLife)
}

// newCPUHistogram goes from 0.01 to 1,000 cores.
func newCPUHistogram() *histogram { return newHistogram(0.01, 1000) }

// newMemoryHistogram goes from 10 MB to 1 TB.
func newMemoryHistogram() *histogram { return newHistogram(1e7, 1e12) }

func newHistogram(first, last float64) *histogram {
	n := math.Log(last*(bucketGrowth-1)/first+1) / math.Log(bucketGrowth)
	return &histogram{first: first, buckets: int(math.Ceil(n)) + 1, weights: map[int]float64{}}
}

func (h *histogram) clone() *histogram {
	c := *h
	c.weights = maps.Clone(h.weights)
	return &c
}

func (h *histogram) bucket(v float64) int {
	if !(v > 0) {
		return 0
	}
	i := int(math.Log(v*(bucketGrowth-1)/h.first+1) / math.Log(bucketGrowth))
	return min(i, h.buckets-1)
}

func (h *histogram) start(i int) float64 {
	return h.first * (math.Pow(bucketGrowth, float64(i)) - 1) / (bucketGrowth - 1)
}

// add counts a sample with the given weight; a negative one takes it back.
func (h *histogram) add(at time.Time, v, weight float64) {
	if h.ref.IsZero() {
		h.ref = at
	}
	halvings := at.Sub(h.ref).Hours() / halfLife.Hours()
	if halvings > renormAfter {
		scale := math.Exp2(-math.Floor(halvings))
		h.total = 0
		for i := range h.weights {
			h.weights[i] *= scale
			if h.weights[i] < leastWeight*scale {
				delete(h.weights, i)
			}
			h.total += h.weights[i]
		}
		h.ref = h.ref.Add(time.Duration(math.Floor(halvings)) * halfLife)
		halvings -= math.Floor(halvings)
	}
	w := weight * math.Exp2(halvings)
	i := h.bucket(v)
	h.weights[i] = max(h.weights[i]+w, 0)
	if h.weights[i] == 0 {
		delete(h.weights, i)
	}
	h.total = max(h.total+w, 0)
}

// quantile is the end of the bucket that holds quantile q; 0 when there is nothing in it.
func (h *histogram) quantile(q float64) float64 {
	if h.empty() {
		return 0
	}
	sum, last := 0.0, 0
	for i := range h.buckets {
		w := h.weights[i]
		if w <= 0 {
			continue
		}
		sum, last = sum+w, i
		if sum >= q*h.total*(1-1e-12) {
			return h.start(i + 1)
		}
	}
	return h.start(last + 1)
}

func (h *histogram) empty() bool { return len(h.weights) == 0 || h.total <= 0 }

type savedHistogram struct {
	First   float64         `json:"first"`
	Buckets int             `json:"buckets"`
	Weights map[int]float64 `json:"weights"`
	Ref     time.Time       `json:"ref"`
}

func (h *histogram) MarshalJSON() ([]byte, error) {
	return json.Marshal(savedHistogram{h.first, h.buckets, h.weights, h.ref})
}

func (h *histogram) UnmarshalJSON(data []byte) error {
	var s savedHistogram
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*h = histogram{first: s.First, buckets: s.Buckets, weights: map[int]float64{}, ref: s.Ref}
	for i, w := range s.Weights {
		if i < 0 || i >= s.Buckets || !(w >= 0) || math.IsInf(w, 0) {
			return fmt.Errorf("cannot read histogram: bucket %d weighs %v", i, w)
		}
		h.weights[i] = w
		h.total += w
	}
	return nil
}
