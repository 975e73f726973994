// Package docker runs the instances of a service as containers of a Docker Engine: it creates and starts them, starts them again with
// backoff when they die, stops and removes them, measures them, and finds them again after the gateway was started anew.
//
// It says whether a container runs and where it is reached, never whether it is fit for traffic. It makes no networks and no volumes, logs in to no
// registry and deletes no images. Run owns every goroutine: one per instance, one that measures, one per image that is being pulled.
//
// # Who owns a container
//
// The Engine is the only record of what exists; the provider keeps none. Each container carries labels that name its owner (one gateway over all
// its lives), its service, version and instance, and the life of the provider that made it. Containers without the right owner and service are never
// looked at. Of those with them, a provider looks after its own, takes over or ends what a dead gateway left, and spares what belongs to a
// gateway that still lives: that one is being replaced, and sees to them itself.
//
// # When the Engine is away
//
// Nothing is known then, and nothing is given up: List and Scale return errors, what runs is left alone, and whatever an instance was in the middle
// of goes on when the Engine is back. Only answers of the Engine count as failures of an instance.
package docker
