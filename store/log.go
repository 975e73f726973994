package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// LogOptions bounds a log. Both bounds hold at the same time.
type LogOptions struct {
	MaxEntries int           // newest entries kept; 0 means 10000
	MaxAge     time.Duration // older entries go; 0 means no bound
}

const defaultMaxEntries = 10_000

// Log is an append-only list of documents with times, bounded by count and age.
// All methods may be called from several goroutines. Make one Log per name.
type Log[T any] struct {
	db   *DB
	name string
	opts LogOptions

	mu    sync.Mutex // protects the fields below
	count int        // entries in the store, those beyond the bounds included
	seq   uint64     // of the last entry
}

// NewLog returns the log called name with what was appended to it before.
func NewLog[T any](db *DB, name string, opts LogOptions) (*Log[T], error) {
	if opts.MaxEntries <= 0 {
		opts.MaxEntries = defaultMaxEntries
	}
	l := &Log[T]{db: db, name: "_log-" + name, opts: opts}
	entries, err := db.scan(l.name, "")
	if err != nil {
		return nil, err
	}
	l.count = len(entries)
	for _, e := range entries {
		_, seq := splitLogKey(e.key)
		l.seq = max(l.seq, seq)
	}
	return l, nil
}

// logKey orders entries by time, then by the order in which they were appended.
func logKey(at time.Time, seq uint64) string {
	key := binary.BigEndian.AppendUint64(nil, uint64(max(at.UnixNano(), 0)))
	return string(binary.BigEndian.AppendUint64(key, seq))
}

func splitLogKey(key string) (at time.Time, seq uint64) {
	if len(key) != 16 {
		return time.Time{}, 0
	}
	nanos := binary.BigEndian.Uint64([]byte(key[:8]))
	return time.Unix(0, int64(nanos)), binary.BigEndian.Uint64([]byte(key[8:]))
}

// Append adds docs with the time now. They are on disk after the next commit.
func (l *Log[T]) Append(now time.Time, docs ...T) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	added := changes{}
	for i, doc := range docs {
		encoded, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("cannot encode an entry of log %q: %w", l.name, err)
		}
		added.set(l.name, logKey(now, l.seq+1+uint64(i)), encoded)
	}
	if err := l.db.put(added); err != nil {
		return err
	}
	l.seq += uint64(len(docs))
	l.count += len(docs)
	if slack := l.opts.MaxEntries / 8; l.count > l.opts.MaxEntries+slack {
		return l.trim(now)
	}
	return nil
}

// trim removes what is beyond the bounds; mu is held. Append calls it once in
// MaxEntries/8 entries, which makes its scan cheap per entry.
func (l *Log[T]) trim(now time.Time) error {
	entries, err := l.db.scan(l.name, "")
	if err != nil {
		return err
	}
	kept := l.within(entries, now)
	removed := changes{}
	for _, e := range entries[:len(entries)-len(kept)] {
		removed.set(l.name, e.key, nil)
	}
	l.count = len(kept)
	return l.db.put(removed)
}

// within returns the tail of entries that the bounds allow at now.
func (l *Log[T]) within(entries []entry, now time.Time) []entry {
	if over := len(entries) - l.opts.MaxEntries; over > 0 {
		entries = entries[over:]
	}
	for l.opts.MaxAge > 0 && len(entries) > 0 {
		if at, _ := splitLogKey(entries[0].key); now.Sub(at) <= l.opts.MaxAge {
			break
		}
		entries = entries[1:]
	}
	return entries
}

// Since returns the entries appended at since or later and within the bounds at now,
// oldest first. One that cannot be decoded is an error beside the others,
// which are returned nevertheless. A zero since asks for all.
func (l *Log[T]) Since(since, now time.Time) ([]T, error) {
	from := ""
	if !since.IsZero() {
		from = logKey(since, 0)
	}
	entries, err := l.db.scan(l.name, from)
	if err != nil {
		return nil, err
	}
	entries = l.within(entries, now)
	docs := make([]T, 0, len(entries))
	for _, e := range entries {
		doc, docErr := decode[T](l.name, e.key, e.doc)
		if docErr != nil {
			err = docErr
			continue
		}
		docs = append(docs, doc)
	}
	return docs, err
}
