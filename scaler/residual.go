package scaler

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// residuals is how far a forecast was off lately: the distribution of actual over
// forecast on a logarithmic scale, older errors fading.
type residuals struct {
	Bins bins    `json:"bins"`
	Sum  float64 `json:"sum"`  // of the bins
	Loss float64 `json:"loss"` // pinball loss of the upper quantile, relative to the load

	points [len(quantiles)]float64
	fresh  bool // points are those of the present bins
}

const (
	binCount = 128
	binWidth = 0.02 // of the logarithm: the bins cover 0.28 to 3.6 times the forecast

	// upper is the quantile by which models are compared: about that share
	// of forecasts has to be safe.
	upper = 0.95

	// smallLoad, in erlangs, is below what errors are not divided by: to be off by a
	// factor costs nothing where one instance has room for both.
	smallLoad = 4
)

type bins [binCount]float64

// quantiles are the points by which the distribution is represented, denser where it
// decides, and the probability that each stands for.
var quantiles = [...]struct{ at, weight float64 }{
	{0.10, 0.20}, {0.30, 0.20}, {0.50, 0.20}, {0.70, 0.20},
	{0.84, 0.08}, {0.90, 0.04}, {0.935, 0.03}, {0.96, 0.02}, {0.975, 0.01}, {0.985, 0.01}, {0.995, 0.01},
}

// begin fills in what is assumed before anything was seen: errors of about
// spread, weighing as much as count observations.
func (r *residuals) begin(spread, count float64) {
	sum := 0.0
	for i := range r.Bins {
		z := float64(i-binCount/2) * binWidth / spread
		r.Bins[i] = math.Exp(-z * z / 2)
		sum += r.Bins[i]
	}
	for i := range r.Bins {
		r.Bins[i] *= count / sum
	}
	r.Sum, r.Loss = count, spread/4
}

// add takes in that actual came where forecast was expected; erlang is the rate that keeps
// one slot busy, keep is what remains of the weight of earlier errors.
func (r *residuals) add(actual, forecast, erlang, keep float64) {
	actual, forecast = max(actual, erlang/100), max(forecast, erlang/100)
	limit := forecast * r.quantile(upper)
	loss := (1 - upper) * (limit - actual)
	if actual > limit {
		loss = upper * (actual - limit)
	}
	r.Loss += (1 - keep) * (loss/max(actual, smallLoad*erlang) - r.Loss)
	for i := range r.Bins {
		r.Bins[i] *= keep
	}
	r.Sum = r.Sum*keep + 1
	x := math.Log(actual/forecast)/binWidth + binCount/2
	r.Bins[min(max(int(math.Round(x)), 0), binCount-1)]++
	r.fresh = false
}

// quantile is the factor on the forecast below which the actual load stays with
// probability q, with the weight of a bin spread evenly over it.
func (r *residuals) quantile(q float64) float64 {
	left := q * r.Sum
	for i, w := range r.Bins {
		if left -= w; left <= 0 {
			return math.Exp((float64(i-binCount/2) + 0.5 + left/max(w, 1e-9)) * binWidth)
		}
	}
	return math.Exp(binCount / 2 * binWidth)
}

// factors are the quantiles as factors on the forecast.
func (r *residuals) factors() *[len(quantiles)]float64 {
	if !r.fresh {
		for i, q := range quantiles {
			r.points[i] = r.quantile(q.at)
		}
		r.fresh = true
	}
	return &r.points
}

// MarshalText writes the bins in 128 bytes before encoding, each as the square root of its
// part of the largest: the shape, thin tails too, is what has to survive a restart.
func (b bins) MarshalText() ([]byte, error) {
	top := 0.0
	for _, w := range b {
		top = max(top, w)
	}
	raw := make([]byte, binCount)
	for i, w := range b {
		if top > 0 {
			raw[i] = byte(math.Round(math.Sqrt(w/top) * 255))
		}
	}
	return base64.StdEncoding.AppendEncode(nil, raw), nil
}

// UnmarshalText reads what MarshalText wrote, up to scale.
func (b *bins) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("cannot read the bins of forecast errors: %w", err)
	}
	if len(raw) != binCount {
		return fmt.Errorf("cannot read the bins of forecast errors: got %d of them; want %d", len(raw), binCount)
	}
	for i, v := range raw {
		b[i] = float64(v) * float64(v)
	}
	return nil
}

// UnmarshalJSON restores the weight of the bins from Sum.
func (r *residuals) UnmarshalJSON(data []byte) error {
	var plain struct {
		Bins      bins
		Sum, Loss float64
	}
	if err := json.Unmarshal(data, &plain); err != nil {
		return err
	}
	total := 0.0
	for _, w := range plain.Bins {
		total += w
	}
	if total <= 0 || !(plain.Sum > 0) || !finite(plain.Loss) {
		return errors.New("cannot read forecast errors: they are empty")
	}
	*r = residuals{Bins: plain.Bins, Sum: plain.Sum, Loss: plain.Loss}
	for i := range r.Bins {
		r.Bins[i] *= plain.Sum / total
	}
	return nil
}
