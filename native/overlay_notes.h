/*
 * The extended attributes in which overlayfs notes what it knows of its layers: trusted.overlay.* for the host's root,
 * user.overlay.* (mount option userxattr) in a user namespace, where nobody may set the others.
 */
#ifndef GANTRY_OVERLAY_NOTES_H
#define GANTRY_OVERLAY_NOTES_H

/* Whether this process lives in a user namespace other than the first. */
int in_user_namespace(void);

/* The attribute that makes a folder hide what lower layers have in it. */
const char *overlay_opaque_attribute(void);

/* Whether an attribute is such a note. */
int is_overlay_note(const char *name);

#endif
