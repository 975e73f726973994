package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"gatewayd/cost"
	"gatewayd/events"
	"gatewayd/store"
)

// Keys of the documents that the watchers keep.
const (
	monitorKey    = "monitor"
	ledgerKey     = "ledger"
	journalKey    = "ledger-journal"
	deliveriesKey = "deliveries"
)

func serviceKey(name string) string { return "service/" + name }

// Saving takes the longer the more there is to save; it is done so seldom that it takes no more than a hundredth of the time.
const (
	saveEvery = 30 * time.Second
	saveShare = 100
)

// keepDocument writes a document down.
func keepDocument(b store.Bucket[json.RawMessage], key string, doc any) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("cannot encode %q: %w", key, err)
	}
	return b.Put(key, raw)
}

// keptDocument reads a document; one that is damaged is told, dropped, and the zero value is returned.
func keptDocument[T any](g *Gateway, key string) (doc T) {
	raw, ok, err := g.watchers.kept.Get(key)
	if err == nil && !ok {
		return doc
	}
	if err == nil {
		var read T
		if err = json.Unmarshal(raw, &read); err == nil {
			return read
		}
	}
	g.dropDamaged(key, err)
	return doc
}

// dropDamaged tells of a document that cannot be read, and forgets it.
func (g *Gateway) dropDamaged(key string, why error) {
	g.publishEvent(events.Event{Type: events.StateSetAside, Severity: events.Warning, Data: map[string]any{"document": "monitoring/" + key},
		Message: fmt.Sprintf("the document monitoring/%s of an earlier run cannot be read and is dropped: %v", key, why)})
	if err := g.watchers.kept.Delete(key); err != nil {
		g.log.Warn("cannot drop a damaged document", "document", key, "err", err)
	}
}

// load takes over what earlier runs kept.
func (w *watch) load(now time.Time) {
	w.saveAt = now.Add(saveEvery)
	if raw, ok := w.raw(monitorKey); ok {
		if err := w.monitor.Load(raw); err != nil {
			w.g.dropDamaged(monitorKey, err)
		}
	}
	w.ledger = w.loadLedger(now)
	w.statement = w.ledger.Statement()
	for name := range w.g.cfg.Services {
		w.services[name] = newWatched(keptDocument[history](w.g, serviceKey(name)))
	}
}

// loadLedger returns what was saved last, with all that the journal has since.
func (w *watch) loadLedger(now time.Time) *cost.Ledger {
	ledger := cost.NewLedger(time.Local, time.Time{}) // older than any journal
	if raw, ok := w.raw(ledgerKey); ok {
		if l, err := cost.LoadLedger(raw, time.Local); err == nil {
			ledger = l
		} else {
			w.g.dropDamaged(ledgerKey, err)
		}
	}
	if raw, ok := w.raw(journalKey); ok {
		if err := ledger.Replay(raw); err != nil {
			w.g.dropDamaged(journalKey, err)
		}
	}
	if ledger.Empty() {
		return cost.NewLedger(time.Local, now)
	}
	return ledger
}

func (w *watch) raw(key string) ([]byte, bool) {
	raw, ok, err := w.g.watchers.kept.Get(key)
	if err != nil {
		w.g.dropDamaged(key, err)
	}
	return raw, ok && err == nil
}

func (w *watch) drop(key string) {
	if err := w.g.watchers.kept.Delete(key); err != nil {
		w.g.log.Warn("cannot forget what was learned of a service that is gone", "document", key, "err", err)
	}
}

// save keeps all that is worth it.
func (w *watch) save(now time.Time) {
	began := time.Now()
	w.keep(monitorKey, w.monitor)
	if w.keep(ledgerKey, w.ledger) {
		w.ledger.Settle()
	}
	for name, s := range w.services {
		w.keep(serviceKey(name), s.history)
	}
	w.saveAt = now.Add(max(saveEvery, saveShare*time.Since(began)))
}

// keep writes a document down, or tells that it could not.
func (w *watch) keep(key string, doc any) bool {
	err := keepDocument(w.g.watchers.kept, key, doc)
	if err != nil {
		w.g.log.Error("cannot keep what was learned: after a restart it is older", "document", key, "err", err)
	}
	return err == nil
}

// saveJournal keeps what was booked, so that a gateway that is killed loses no more than the last moments of instances that end with it.
func (w *watch) saveJournal(now time.Time) {
	if now.Before(w.journalAt) {
		return
	}
	began := time.Now()
	journal, err := w.ledger.Journal()
	if err != nil {
		panic("BUG: the journal of the ledger cannot be encoded: " + err.Error())
	}
	if journal != nil {
		w.keep(journalKey, json.RawMessage(journal))
	}
	w.journalAt = now.Add(saveShare * time.Since(began))
}
