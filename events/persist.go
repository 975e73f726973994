package events

import "context"

// persistBatch is how many events one call of the append function gets at most.
const persistBatch = 256

// Run hands every event that was published since New to save, in order and in
// batches, until ctx ends; then it hands over what is left and returns the last
// error of save, if its last call failed. save owns the batch. A batch that save
// refuses is not offered again: save keeps it for a later attempt if
// it wants to. Call Run once.
func (b *Bus) Run(ctx context.Context, save func([]Event) error) error {
	s := &Subscription{bus: b, seq: b.restored}
	var failed error
	for {
		batch, _, wait := s.Take(persistBatch)
		if len(batch) > 0 {
			failed = save(batch)
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
			if batch, _, _ := s.Take(persistBatch); len(batch) > 0 {
				return save(batch)
			}
			return failed
		}
	}
}
