package cost

import (
	"math"
	"strconv"
	"strings"
)

// Money is an amount in billionths of the currency's unit. It holds up to 9.2 billion units.
type Money int64

// Unit is one unit of the currency.
const Unit Money = 1e9

// FromUnits rounds to the nearest billionth; what is not a number is 0.
func FromUnits(units float64) Money {
	if math.IsNaN(units) {
		return 0
	}
	n := math.Round(units * float64(Unit))
	switch {
	case n >= math.MaxInt64:
		return math.MaxInt64
	case n <= math.MinInt64:
		return math.MinInt64
	}
	return Money(n)
}

// Units is m in units of the currency.
func (m Money) Units() float64 { return float64(m) / float64(Unit) }

// String prints at least two decimals and at most four, as people read prices.
func (m Money) String() string {
	s := strconv.FormatFloat(m.Units(), 'f', 4, 64)
	whole, decimals, _ := strings.Cut(s, ".")
	for len(decimals) > 2 && strings.HasSuffix(decimals, "0") {
		decimals = decimals[:len(decimals)-1]
	}
	return whole + "." + decimals
}

// MarshalJSON writes units of the currency.
func (m Money) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, m.Units(), 'f', -1, 64), nil
}

// UnmarshalJSON reads what MarshalJSON wrote; amounts below nine million units come back exactly.
func (m *Money) UnmarshalJSON(text []byte) error {
	units, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return err
	}
	*m = FromUnits(units)
	return nil
}
