/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Plays one file of tests/dialogues/ and fails the test where it goes another way. A line is a step; "#" begins a
 * comment; lines that are indented belong to the rule above them. The server's half is told in the words of boxes.h and
 * scripted.h:
 *
 *   capability IMAP4rev1 ESEARCH      what the server announces
 *   folder INBOX: 1 2 3               and all other changes of boxes.h
 *   on UID FETCH *BODY.PEEK[]*        a rule and its lines; "once on" and "once instead of" are used up
 *     @ NO not now
 *   behave                            no rules any more
 *   push * 4 EXISTS                   a line that nobody asked for, to connections that listen
 *   quiet                             news wait for the next command
 *   cut                               all connections are lost
 *
 * and that of the program that reads its mail in the words of reader.h:
 *
 *   option connections 1              also timeout, refresh, names, disable; before it mounts
 *   mount                             or "mount fails LOGIN"; unmount; remount
 *   list INBOX: 1 2 3                 opens the folder until these letters are in it; "list INBOX fails BUSY"
 *   await INBOX: 1 2 3                the same without opening it: somebody must tell
 *   shows INBOX: 1 2 3                the same without waiting
 *   read INBOX: 2                     its octets are right; "read INBOX as 2b: 2", "read INBOX fails BUSY: 2"
 *   cached INBOX: 2                   its body is here
 *   same INBOX: 2                     row, name, mtime and size are those that it was first seen with
 *   other INBOX: 2                    it has another row
 *   removed nothing                   nobody was told that something has gone
 *   says EXAMINE*                     it comes to send this (without tag), or did; "says 3 LOGIN*": as often as that
 *   never says LOGIN*                 it has not sent this
 *   warns *lies*                      the log shall have such a warning in the end; it must have no other
 *   retry                             SIGHUP
 *   network changes                   says the kernel
 *   ---                               what was said and removed before counts no more
 */
void dialogue_play(const char *path);
