package api

import (
	"slices"
	"testing"
)

func TestNotFound(t *testing.T) {
	f := func(known []string, want string) {
		t.Helper()
		if got := NotFound("service", "shpo", known...); got.Message != want || got.Status != 404 || got.Field != "service" {
			t.Fatalf("got %+v; want %q", got, want)
		}
	}
	f(nil, `there is no service "shpo"`)
	f([]string{"cart", "shop"}, `there is no service "shpo"; want one of cart, shop`)
	f(slices.Repeat([]string{"s"}, 21), `there is no service "shpo"`)
}
