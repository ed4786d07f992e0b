// What the two decisions mean for each kind of finding.

export interface Words {
  tab: string
  accept: string
  accepted: string
  dismiss: string
  dismissed: string
  ask: string
  none: string
}

export const WORDS: Record<string, Words> = {
  'label-issues': {
    tab: 'Labels',
    accept: 'Accept',
    accepted: 'accepted',
    dismiss: 'Label is right',
    dismissed: 'kept as it is',
    ask: 'Is this label right?',
    none: 'No label looks wrong.',
  },
  duplicates: {
    tab: 'Duplicates',
    accept: 'Leave the copies out',
    accepted: 'copies left out',
    dismiss: 'Keep all',
    dismissed: 'all kept',
    ask: 'Are these the same picture?',
    none: 'No two images are alike.',
  },
  outliers: {
    tab: 'Outliers',
    accept: 'Does not belong',
    accepted: 'does not belong',
    dismiss: 'Belongs here',
    dismissed: 'belongs here',
    ask: 'Does this image belong here?',
    none: 'No image is unlike all others.',
  },
  people: {
    tab: 'People',
    accept: 'Shows people',
    accepted: 'shows people',
    dismiss: 'Nobody on it',
    dismissed: 'nobody on it',
    ask: 'Are there people in this image?',
    none: 'No image shows people.',
  },
  generated: {
    tab: 'Generated',
    accept: 'Is generated',
    accepted: 'generated',
    dismiss: 'Is a photo',
    dismissed: 'a photo',
    ask: 'Was this image made by a machine?',
    none: 'No image looks generated.',
  },
  undecodable: {
    tab: 'Undecodable',
    accept: '',
    accepted: '',
    dismiss: '',
    dismissed: '',
    ask: '',
    none: 'Every file could be read.',
  },
}

// A decision that was taken back is none.
export function standing(decision: string | null | undefined): string | null {
  return !decision || decision === 'open' ? null : decision
}

// What the messages about a decision are about.
export const DECISION = 'decision'

// suggested: the label that accepting writes, where it is to be told.
export function outcome(kind: string, decision: string | null | undefined, suggested: string | null = null): string {
  if (!decision) return ''
  if (decision.startsWith('relabel:')) return `the label is ${decision.slice(8)}`
  if (decision === 'accept' && kind === 'label-issues' && suggested) return `the label is ${suggested}`
  if (decision === 'relabelled') return 'given another label'
  if (decision.startsWith('accept')) return WORDS[kind].accepted
  if (decision.startsWith('dismiss')) return WORDS[kind].dismissed
  return decision
}
