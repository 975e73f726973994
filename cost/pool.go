package cost

import "math"

// Resources is an amount of what instances take. All zero or more.
type Resources struct {
	MilliCPU int64 `json:"milliCpu"` // thousandths of a core
	Memory   int64 `json:"memory"`   // bytes
}

// Cores is the CPU in cores.
func (r Resources) Cores() float64 { return float64(r.MilliCPU) / 1000 }

const gib = 1 << 30

// GiB is the memory in GiB.
func (r Resources) GiB() float64 { return float64(r.Memory) / gib }

func (r Resources) times(n int) Resources {
	return Resources{r.MilliCPU * int64(n), r.Memory * int64(n)}
}

func (r Resources) plus(o Resources) Resources {
	return Resources{r.MilliCPU + o.MilliCPU, r.Memory + o.Memory}
}

func (r Resources) max(o Resources) Resources {
	return Resources{max(r.MilliCPU, o.MilliCPU), max(r.Memory, o.Memory)}
}

// Price is what a pool charges per hour, in units of the currency.
type Price struct {
	CPUHour       float64 `json:"cpuHour"`
	MemoryGiBHour float64 `json:"memoryGiBHour"`
	InstanceHour  float64 `json:"instanceHour"`
}

// PerHour is what an instance that takes r costs per hour.
func (p Price) PerHour(r Resources) Money {
	return FromUnits(p.CPUHour*r.Cores() + p.MemoryGiBHour*r.GiB() + p.InstanceHour)
}

// Pool is a supply of resources at a price.
type Pool struct {
	Name      string
	Capacity  Resources // a zero part: not limited
	Instances int       // 0: not limited
	Price     Price
}

// room is what is left of a pool.
type room struct {
	free      Resources
	instances int
}

func (p *Pool) room() room {
	r := room{free: p.Capacity, instances: p.Instances}
	if r.free.MilliCPU == 0 {
		r.free.MilliCPU = math.MaxInt64
	}
	if r.free.Memory == 0 {
		r.free.Memory = math.MaxInt64
	}
	if r.instances == 0 {
		r.instances = math.MaxInt
	}
	return r
}

// fits is how many instances that take each fit, up to want.
func (r *room) fits(each Resources, want int) int {
	n := min(want, r.instances)
	if each.MilliCPU > 0 {
		n = int(min(int64(n), r.free.MilliCPU/each.MilliCPU))
	}
	if each.Memory > 0 {
		n = int(min(int64(n), r.free.Memory/each.Memory))
	}
	return max(n, 0)
}

// take uses n instances; a negative n gives them back.
func (r *room) take(each Resources, n int) {
	r.free.MilliCPU -= each.MilliCPU * int64(n)
	r.free.Memory -= each.Memory * int64(n)
	r.instances -= n
}

// sound is whether nothing is taken that was not there.
func (r *room) sound() bool {
	return r.free.MilliCPU >= 0 && r.free.Memory >= 0 && r.instances >= 0
}
