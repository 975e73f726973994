package gateway

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"gatewayd/proxy"
)

// handoverEnv is the environment variable in which a gateway tells the one that replaces it what it hands over. Instances
// do not get it.
const handoverEnv = "GATEWAYD_HANDOVER"

// The words that the two gateways send each other, each a line, in this order.
const (
	wordLoaded   = "loaded\n"   // the new one has read its config and waits for the rest
	wordReleased = "released\n" // the old one has let go of state and instances
	wordServing  = "serving\n"  // the new one accepts connections
)

// legacy is what a gateway gets from the one whose place it takes. Its functions are called in their order, once each.
type legacy struct {
	sockets      []proxy.Socket
	admin        *os.File // listens for the admin API; nil: none
	adminAddress string   // as configured
	// await says that the config is sound, and returns when the earlier gateway has let go of state and instances.
	await func() error
	// serving says that connections are accepted.
	serving func() error
}

// legacyText is a legacy as it stands in handoverEnv. Files are numbers of descriptors.
type legacyText struct {
	Sockets []socketText `json:"sockets"`
	Admin   socketText   `json:"admin"`
	In      int          `json:"in"`
	Out     int          `json:"out"`
}

type socketText struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address"`
	File    int    `json:"file"`
}

// readLegacy makes a legacy of the value of handoverEnv; nil when that is empty.
func readLegacy(text string) (*legacy, error) {
	if text == "" {
		return nil, nil
	}
	var t legacyText
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return nil, fmt.Errorf("cannot read %s %q: %w", handoverEnv, text, err)
	}
	open := func(fd int, name string) *os.File {
		syscall.CloseOnExec(fd)
		return os.NewFile(uintptr(fd), name)
	}
	in, out := open(t.In, "handover in"), open(t.Out, "handover out")
	if in == nil || out == nil {
		return nil, fmt.Errorf("cannot use %s %q: want numbers of open files", handoverEnv, text)
	}
	l := &legacy{admin: open(t.Admin.File, "admin"), adminAddress: t.Admin.Address}
	for _, s := range t.Sockets {
		l.sockets = append(l.sockets, proxy.Socket{Name: s.Name, Address: s.Address, File: open(s.File, s.Name)})
	}
	l.await = func() error {
		if _, err := io.WriteString(out, wordLoaded); err != nil {
			return fmt.Errorf("cannot tell the gateway that is replaced: %w", err)
		}
		if word, err := bufio.NewReader(in).ReadString('\n'); word != wordReleased {
			return errors.Join(errors.New("the gateway that was to be replaced does not let go of its state"), err)
		}
		return in.Close()
	}
	l.serving = func() error {
		defer out.Close()
		if _, err := io.WriteString(out, wordServing); err != nil {
			return fmt.Errorf("cannot tell the gateway that is replaced: %w", err)
		}
		return nil
	}
	return l, nil
}

// listenAdmin opens the address of the admin API, or goes on with the socket of the earlier gateway.
func (l *legacy) listenAdmin(address string) (net.Listener, error) {
	if l != nil && l.admin != nil {
		defer l.admin.Close()
		if l.adminAddress == address {
			return net.FileListener(l.admin)
		}
	}
	return net.Listen("tcp", address)
}

// close closes the files that nobody took.
func (l *legacy) close() {
	for _, s := range l.sockets {
		s.File.Close()
	}
	if l.admin != nil {
		l.admin.Close()
	}
}
