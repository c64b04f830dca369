/* Words to the service manager, sd_notify(3) by hand.  Without NOTIFY_SOCKET nothing happens. */
#ifndef SP_NOTIFY_H
#define SP_NOTIFY_H

/* Sends "READY=1", "STOPPING=1" or "WATCHDOG=1".  Whether it arrived is not known. */
void sp_notify_send(const char *state);

#endif
