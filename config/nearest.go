package config

import "strings"

// nearest returns the one of known that is the least edits away from word, if
// that is near enough to be what was meant: a third of its letters, at least one, are wrong
// at most. Upper and lower case are the same letter here.
func nearest(word string, known []string) (string, bool) {
	best, bestDistance := "", -1
	for _, k := range known {
		d := editDistance(strings.ToLower(word), strings.ToLower(k))
		if d <= max(1, min(len(word), len(k))/3) && (bestDistance < 0 || d < bestDistance) {
			best, bestDistance = k, d
		}
	}
	return best, bestDistance >= 0
}

// editDistance counts the inserted, deleted, replaced and swapped neighbouring bytes between
// a and b (optimal string alignment). Words over 64 bytes are as far from each
// other as the longer is long: nobody mistypes those into a key.
func editDistance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	var rows [3][longest + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
