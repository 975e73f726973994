package config

// testEnv is the environment of all tests.
func testEnv(name string) (string, bool) {
	value, ok := map[string]string{
		"OPS_TOKEN":       "0123456789abcdef",
		"HOOK_URL":        "https://hooks.example.com/T0/B0",
		"HOOK_TOKEN":      "s3cret",
		"AFFINITY_SECRET": "s3cret",
		"OTLP_KEY":        "s3cret",
		"QUEUE":           "512",
		"WORD":            "word",
		"EMPTY":           "",
		"TRICKY":          "a: {b: [c]}\nd: e # f",
	}[name]
	return value, ok
}
