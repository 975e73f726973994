package gateway

import (
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gatewayd/config"
	"gatewayd/cost"
	"gatewayd/events"
	"gatewayd/monitor"
	"gatewayd/store"
)

// withStore is a gateway that has a store and services by name, and nothing that runs.
func withStore(t *testing.T, services ...string) *Gateway {
	t.Helper()
	db, err := store.Open("", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Services: map[string]*config.Service{}}
	for _, name := range services {
		cfg.Services[name] = &config.Service{Name: name}
	}
	g := &Gateway{cfg: cfg, db: db, log: slog.New(slog.NewTextHandler(io.Discard, nil)), bus: events.New(events.Options{})}
	g.watchers.kept = store.NewBucket[json.RawMessage](db, "monitoring")
	return g
}

func TestWhatWasLearnedSurvives(t *testing.T) {
	g := withStore(t, "shop")
	w := newWatch(g, adviceNow)
	w.monitor.Observe(monitor.Observation{At: adviceNow, Service: "shop", Arrived: 70, Instances: []monitor.InstanceObservation{{Instance: "a", Requests: 70}}})
	in := cost.Instance{ID: "a", Service: "shop", Pool: "p", Started: adviceNow, Price: cost.Price{InstanceHour: 1}}
	w.ledger.Observe(adviceNow, []cost.Instance{in})
	w.ledger.Observe(adviceNow.Add(90*time.Minute), []cost.Instance{in})
	w.services["shop"].Traffic.add(adviceNow, 70)
	w.services["shop"].Profile.Add(adviceNow, 70, 2, 3)
	w.services["shop"].Sizing.Add(adviceNow, "a", 0.5, 1e8)
	w.save(adviceNow)

	again := newWatch(g, adviceNow.Add(2*time.Hour))
	if got := again.statement.Total.Month; got != cost.FromUnits(1.5) {
		t.Fatalf("got %s; want the cost of before", got)
	}
	s := again.services["shop"]
	if s.Profile.Hours[0].Need != 2 || s.Traffic.Minutes[adviceNow.Unix()/60%minutesOfDay] != 70 || s.Sizing.Count != 1 {
		t.Fatalf("got %+v; want what was learned before", s.history)
	}
	if got := again.monitor.Services(); len(got) != 1 || got[0] != "shop" {
		t.Fatalf("got %v; want the windows of shop", got)
	}
	if n := len(g.bus.Recent(10, nil)); n != 0 {
		t.Fatalf("got %d events; want none", n)
	}
}

func TestTheLedgerSurvivesAKill(t *testing.T) {
	g := withStore(t, "shop")
	w := newWatch(g, adviceNow)
	w.saveAt = adviceNow.Add(time.Hour) // nothing but the journal is kept
	shop := seenService{name: "shop", spec: &config.Service{}, scaled: true, instances: []seenInstance{{id: "a", pool: "p", started: adviceNow, exists: true}}}
	cfg := &config.Config{ResourcePools: []config.ResourcePool{{Name: "p", Price: config.Price{InstanceHour: 3.6}}}}
	for i := range 11 {
		w.account(&sighting{at: adviceNow.Add(time.Duration(i) * time.Second), cfg: cfg, services: []seenService{shop}})
		w.saveJournal(adviceNow.Add(time.Duration(i) * time.Second))
		w.journalAt = time.Time{}
	}
	// It is killed, and its instances with it.
	if got := newWatch(g, adviceNow.Add(time.Hour)).statement.Total.Month; got != cost.FromUnits(0.01) {
		t.Fatalf("got %s; want the ten seconds of the instance", got)
	}
}

func TestDamagedDocumentsAreToldAndDropped(t *testing.T) {
	f := func(key, doc string) {
		t.Helper()
		g := withStore(t, "shop")
		if err := g.watchers.kept.Put(key, json.RawMessage(doc)); err != nil {
			t.Fatal(err)
		}
		w := newWatch(g, adviceNow)
		told := g.bus.Recent(10, nil)
		if len(told) != 1 || told[0].Type != events.StateSetAside || !strings.Contains(told[0].Message, "monitoring/"+key) {
			t.Fatalf("%s: got %+v; want to be told", doc, told)
		}
		if _, ok, err := g.watchers.kept.Get(key); ok || err != nil {
			t.Fatalf("%s: it is still there: %v", doc, err)
		}
		// All works without it.
		w.services["shop"].Sizing.Add(adviceNow, "a", 1, 1)
		w.ledger.Observe(adviceNow, nil)
		w.save(adviceNow)
	}
	f(monitorKey, `{"version": 99}`)
	f(monitorKey, `[1]`)
	f(ledgerKey, `{"version": 1, "booked": [{"date": "yesterday"}]}`)
	f(journalKey, `{"version": 1, "booked": [{"date": "yesterday"}]}`)
	f(serviceKey("shop"), `{"profile": 7}`)
}

func TestAnIncompleteDocumentIsCompleted(t *testing.T) {
	g := withStore(t, "shop")
	if err := g.watchers.kept.Put(serviceKey("shop"), json.RawMessage(`{"traffic": {"last": 5, "minutes": [1, 2]}}`)); err != nil {
		t.Fatal(err)
	}
	s := newWatch(g, adviceNow).services["shop"]
	s.Traffic.add(adviceNow, 1)
	s.Sizing.Killed(adviceNow, "a", 1e8)
	if c := s.copied(); len(c.Traffic.Minutes) != minutesOfDay || c.Sizing == s.Sizing {
		t.Fatal("got an incomplete copy")
	}
}

func TestAServiceThatIsGoneIsForgotten(t *testing.T) {
	g := withStore(t, "shop", "old")
	w := newWatch(g, adviceNow)
	w.monitor.Observe(monitor.Observation{At: adviceNow, Service: "old"})
	w.save(adviceNow)
	w.forgetGone(&sighting{services: []seenService{{name: "shop"}}})
	if _, ok, _ := g.watchers.kept.Get(serviceKey("old")); ok || w.services["old"] != nil || len(w.monitor.Services()) != 0 {
		t.Fatal("the old service is still known")
	}
	if _, ok, _ := g.watchers.kept.Get(serviceKey("shop")); !ok {
		t.Fatal("what was learned of the other is gone")
	}
}
