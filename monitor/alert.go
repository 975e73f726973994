package monitor

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// AlertState is how far an alert has come.
type AlertState string

// The states of an alert. One that is pending has not lasted long enough to be told.
const (
	Pending  AlertState = "pending"
	Firing   AlertState = "firing"
	Resolved AlertState = "resolved"
)

// Alert is one thing that is wrong with one service.
type Alert struct {
	ID        string     `json:"id"` // the same for as long as its rule and service exist
	Metric    string     `json:"metric"`
	Service   string     `json:"service"`
	Severity  Severity   `json:"severity"`
	State     AlertState `json:"state"`
	Since     time.Time  `json:"since"` // of the state
	Value     float64    `json:"value"`
	Threshold float64    `json:"threshold"`
	Unit      string     `json:"unit,omitempty"`
	Summary   string     `json:"summary"` // one line, for people
	Cause     string     `json:"cause"`   // alerts of one service and cause inhibit one another

	Context     []string   `json:"context,omitempty"`     // what was done to the service shortly before
	InhibitedBy string     `json:"inhibitedBy,omitempty"` // ID of the graver alert that tells it all
	SilencedBy  string     `json:"silencedBy,omitempty"`  // ID of the silence
	Held        *time.Time `json:"held,omitempty"`        // not notified before: a scale-up is under way
	ResolvedAt  *time.Time `json:"resolvedAt,omitempty"`
}

// Condition is something wrong that a Monitor cannot see in its windows: a budget
// that is spent, a config that was refused. It becomes an alert at once.
type Condition struct {
	Key       string // what it is: "budget", "config"; an alert's ID is Key/Service
	Service   string // empty: the gateway as a whole
	Severity  Severity
	Value     float64
	Threshold float64
	Unit      string
	Summary   string
}

// Assert makes a condition hold until Retract. Asserting it again updates it.
func (m *Monitor) Assert(c Condition) { m.conditions[alertID(c.Key, c.Service)] = c }

// Retract ends a condition; one that does not hold is left alone.
func (m *Monitor) Retract(key, service string) { delete(m.conditions, alertID(key, service)) }

func alertID(rule, service string) string {
	if service == "" {
		return rule
	}
	return rule + "/" + service
}

// Silence keeps matching alerts from being notified; they are listed all the same.
// An empty field matches everything; "shop-*" matches by prefix.
type Silence struct {
	ID      string    `json:"id"`
	Service string    `json:"service,omitempty"`
	Metric  string    `json:"metric,omitempty"`
	Below   Severity  `json:"below,omitempty"` // only alerts less severe than this; none: all
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until"`
	Comment string    `json:"comment,omitempty"`
	By      string    `json:"by,omitempty"`
}

// Silence adds or replaces a silence by its ID.
func (m *Monitor) Silence(s Silence) { m.silences[s.ID] = s }

// Unsilence removes a silence; it tells whether there was one.
func (m *Monitor) Unsilence(id string) bool {
	_, had := m.silences[id]
	delete(m.silences, id)
	return had
}

// Silences are those in force as of the last Evaluate, those that end first coming first.
func (m *Monitor) Silences() []Silence {
	return slices.SortedFunc(maps.Values(m.silences), func(a, b Silence) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID))
	})
}

// NotificationReason says why a Notification is sent.
type NotificationReason string

// The reasons for a notification.
const (
	ReasonNew      NotificationReason = "new"      // an alert that its readers do not know
	ReasonRose     NotificationReason = "rose"     // an alert got more severe
	ReasonReminder NotificationReason = "reminder" // nothing new, still wrong
	ReasonResolved NotificationReason = "resolved" // all that was told is over
)

// Notification is one message about all alerts of one group. It holds the whole
// state of its group, so a receiver may forget all earlier ones with the same Key.
type Notification struct {
	Key      string             `json:"key"`   // same for all messages of a group from its first alert to its last resolution
	Group    string             `json:"group"` // the service
	At       time.Time          `json:"at"`
	Reason   NotificationReason `json:"reason"`
	Status   AlertState         `json:"status"`   // Firing while any alert fires, else Resolved
	Severity Severity           `json:"severity"` // of the gravest alert
	Peak     Severity           `json:"peak"`     // the gravest Severity that this Key was sent with: who was told the trouble is to be told its end
	Firing   []Alert            `json:"firing,omitempty"`
	Resolved []Alert            `json:"resolved,omitempty"` // since the message before
	Title    string             `json:"title"`
	Text     string             `json:"text"`
}

// Evaluation is what one Evaluate found.
type Evaluation struct {
	Alerts        []Alert // pending and firing, gravest first
	Raised        []Alert // began to fire, or got more severe
	Resolved      []Alert
	Notifications []Notification
}
