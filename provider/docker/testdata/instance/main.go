// The program in the images of the tests. MODE says how it behaves; it listens on ADDRESS and answers each connection with NAME.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	switch os.Getenv("MODE") {
	case "fail":
		fmt.Println("reading the config")
		fmt.Fprintln(os.Stderr, "cannot read it")
		os.Exit(3)
	case "eat":
		var eaten [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			eaten = append(eaten, b)
			_ = eaten
		}
	case "spin":
		go func() {
			for i := 0; ; i++ {
				_ = i
			}
		}()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	ln, err := net.Listen("tcp", os.Getenv("ADDRESS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
	fmt.Println("listening on", ln.Addr(), os.Args[1:])
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(c, os.Getenv("NAME"))
			c.Close()
		}
	}()
	<-term
}
