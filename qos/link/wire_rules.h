/* The ranges of frame fields (docs/protocol.md, section 4 and what its frame descriptions add): one rule per
 * kind, used by decoder and encoder alike, so that nothing we send would be refused by our own peer.  Judges
 * one frame by itself; never by the state of a session. */
#ifndef SP_WIRE_RULES_H
#define SP_WIRE_RULES_H

#include "wire.h"

/* Whether every field of the frame lies in its range.  Counts (n) are checked before the arrays they count
 * are read. A kind without rule always holds; fields that the frame's flags leave out are not looked at. */
bool sp_wire_rules_hold(const struct sp_frame *f);

#endif
