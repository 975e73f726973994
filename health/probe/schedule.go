package probe

// schedule is a heap of entries, the one due next first.
type schedule []*entry

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].next.Before(s[j].next) }

func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

// Push is called by container/heap only.
func (s *schedule) Push(x any) {
	e := x.(*entry)
	e.index = len(*s)
	*s = append(*s, e)
}

// Pop is called by container/heap only.
func (s *schedule) Pop() any {
	old := *s
	n := len(old) - 1
	e := old[n]
	old[n] = nil
	e.index = -1
	*s = old[:n]
	return e
}
