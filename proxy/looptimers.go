package proxy

// timers is a heap of clients by the time at which the loop has to look at them. A deadline that moves away, as most do, changes nothing in
// the heap: the client is looked at when its old time comes, and put back at the new one. So a request costs no heap operation as a rule.
type timers struct{ heap []*client }

// set makes the loop look at cl at the given time (unix nanoseconds) at the latest; 0 is never.
func (t *timers) set(cl *client, at int64) {
	cl.deadline = at
	switch {
	case at == 0:
	case cl.place == 0:
		cl.due = at
		t.heap = append(t.heap, cl)
		cl.place = int32(len(t.heap))
		t.up(int(cl.place) - 1)
	case at < cl.due:
		cl.due = at
		t.up(int(cl.place) - 1)
	}
}

// next returns when the first client is to be looked at.
func (t *timers) next() (at int64, ok bool) {
	if len(t.heap) == 0 {
		return 0, false
	}
	return t.heap[0].due, true
}

// expired returns a client whose deadline has passed, nil when there is none. The client has no deadline then.
func (t *timers) expired(now int64) *client {
	for len(t.heap) > 0 {
		cl := t.heap[0]
		if cl.due > now {
			return nil
		}
		if cl.deadline == 0 || cl.deadline <= now {
			hit := cl.deadline != 0
			t.remove(cl)
			cl.deadline = 0
			if hit {
				return cl
			}
			continue
		}
		cl.due = cl.deadline
		t.down(0)
	}
	return nil
}

func (t *timers) remove(cl *client) {
	i := int(cl.place) - 1
	if i < 0 {
		return
	}
	cl.place = 0
	last := len(t.heap) - 1
	moved := t.heap[last]
	t.heap[last] = nil
	t.heap = t.heap[:last]
	if i == last {
		return
	}
	t.heap[i], moved.place = moved, int32(i+1)
	t.up(i)
	t.down(int(moved.place) - 1)
}

func (t *timers) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if t.heap[parent].due <= t.heap[i].due {
			return
		}
		t.swap(i, parent)
		i = parent
	}
}

func (t *timers) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(t.heap) {
			return
		}
		if child+1 < len(t.heap) && t.heap[child+1].due < t.heap[child].due {
			child++
		}
		if t.heap[i].due <= t.heap[child].due {
			return
		}
		t.swap(i, child)
		i = child
	}
}

func (t *timers) swap(i, j int) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.heap[i].place, t.heap[j].place = int32(i+1), int32(j+1)
}
