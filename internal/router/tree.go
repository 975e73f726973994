package router

import "strings"

// tree is a compressed radix tree over the exact paths and the prefixes of one host. One walk along a path
// finds its exact entry and its longest prefix; shorter prefixes hang on that one.
type tree[T any] struct {
	label    string    // the bytes between the parent and this point
	exact    *entry[T] // of the path that ends here
	prefix   *entry[T] // of the prefix that ends here
	slash    bool      // that prefix ends with a slash, so that anything may follow
	index    string    // first byte of each child's label
	children []*tree[T]
}

// lookup returns the entry of exactly this path and that of its longest prefix, nil where there is none.
func (t *tree[T]) lookup(path []byte) (exact, prefix *entry[T]) {
	for {
		if t.prefix != nil && (t.slash || len(path) == 0 || path[0] == '/') {
			prefix = t.prefix
		}
		if len(path) == 0 {
			return t.exact, prefix
		}
		i := strings.IndexByte(t.index, path[0])
		if i < 0 {
			return nil, prefix
		}
		t = t.children[i]
		n := len(t.label)
		if len(path) < n || string(path[:n]) != t.label {
			return nil, prefix
		}
		path = path[n:]
	}
}

// at returns the point where path ends, making it and splitting a label where needed.
func (t *tree[T]) at(path string) *tree[T] {
	for len(path) > 0 {
		i := strings.IndexByte(t.index, path[0])
		if i < 0 {
			child := &tree[T]{label: path}
			t.index += path[:1]
			t.children = append(t.children, child)
			return child
		}
		child := t.children[i]
		n := commonPrefix(path, child.label)
		if n < len(child.label) {
			upper := &tree[T]{label: child.label[:n], index: child.label[n : n+1], children: []*tree[T]{child}}
			child.label = child.label[n:]
			t.children[i], child = upper, upper
		}
		t, path = child, path[n:]
	}
	return t
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func (t *tree[T]) addExact(path string, c *compiled[T]) {
	at := t.at(path)
	if at.exact == nil {
		at.exact = new(entry[T])
	}
	at.exact.add(c)
}

func (t *tree[T]) addPrefix(path string, c *compiled[T]) {
	at := t.at(path)
	if at.prefix == nil {
		at.prefix = new(entry[T])
		at.slash = strings.HasSuffix(path, "/")
	}
	at.prefix.add(c)
}

// finish sorts all entries and links each prefix to the next shorter one. cover is the longest prefix above.
func (t *tree[T]) finish(cover *entry[T]) {
	if t.exact != nil {
		t.exact.sort()
	}
	if t.prefix != nil {
		t.prefix.sort()
		t.prefix.shorter = cover
	}
	for _, child := range t.children {
		if t.prefix != nil && (t.slash || child.label[0] == '/') {
			child.finish(t.prefix)
		} else {
			child.finish(cover)
		}
	}
}
