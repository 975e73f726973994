// Steps of a rollout as people write them.

/**
 * parseSteps reads "5% 15s, 25% 1m, 50% 5m" into what the API takes, [{weight, duration}]; nothing gives undefined. It throws an
 * Error with a sentence when it cannot.
 */
export function parseSteps(text) {
  if (!text.trim()) return undefined
  return text.split(',').map(part => {
    const found = /^\s*(\d+(?:\.\d+)?)\s*%?\s+((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)\s*$/.exec(part)
    if (!found) throw new Error(`steps: got "${part.trim()}"; want a share and a duration, such as 5% 30s`)
    return { weight: Number(found[1]), duration: found[2] }
  })
}
