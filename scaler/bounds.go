package scaler

import "fmt"

// boundCount is how many bounds there can be in one decision without caps.
const boundCount = 9

// bound sets Want to got and notes which bound did it.
func (d *Decision) bound(name BoundName, detail string, got int) {
	d.Bounds = append(d.Bounds, Bound{Name: name, Detail: detail, Wanted: d.Want, Got: got})
	d.Want = got
}

// clamp applies MinInstances, MaxInstances and the caps, in this order, and the
// budget last.
func (d *Decision) clamp(sp *Spec, caps []Cap) {
	if d.Want < sp.MinInstances {
		d.bound(BoundMin, "", sp.MinInstances)
	}
	if d.Want > sp.MaxInstances {
		d.bound(BoundMax, "", sp.MaxInstances)
	}
	for pass := range 2 {
		for i := range caps {
			c := &caps[i]
			if cost := c.Bound == BoundCost; cost == (pass == 1) && d.Want > c.Instances {
				d.bound(c.Bound, c.Name, max(c.Instances, 0))
			}
		}
	}
}

// Clamp says what remains of a wish for want instances, and which bounds changed it: what
// a manual setting would get.
func Clamp(sp *Spec, want int, caps []Cap) (int, []Bound) {
	d := Decision{Want: max(want, 0)}
	d.clamp(sp, caps)
	return d.Want, d.Bounds
}

func (b Bound) String() string {
	name := string(b.Name)
	if b.Detail != "" {
		name += " (" + b.Detail + ")"
	}
	return fmt.Sprintf("%s holds it at %d instead of %d", name, b.Got, b.Wanted)
}
