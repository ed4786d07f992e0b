// Whether the page is narrow: panels become drawers.

const query = matchMedia('(max-width: 760px)')

class Narrow {
  now = $state(query.matches)
  constructor() {
    query.addEventListener('change', () => (this.now = query.matches))
  }
}

export const narrow = new Narrow()
