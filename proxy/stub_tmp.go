package proxy

import "time"

func (x *exchange) writeAccessLog(took time.Duration) {}
