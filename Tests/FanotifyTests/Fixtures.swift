import TestSupport

/// Events as Linux 6.18 gave them, of a tmpfs.
enum Fixtures {
    /// Where the handle of the mount's root directory starts and ends in the events below.
    static let rootIdentity = hex(
        """
        ac03039d 6ab1739e  // fsid
        0c000000 01000000  // file_handle: handle_bytes, handle_type
        b4b3c783 01000000 00000000  // f_handle
        """)

    /// The handle of `sub`, from its mkdir on.
    static let subIdentity = hex("ac03039d 6ab1739e 0c000000 01000000 8a27f787 04000000 00000000")
    /// The handle of `a.conf`, later `sub/b.conf`.
    static let fileIdentity = hex("ac03039d 6ab1739e 0c000000 01000000 65b9e5b5 03000000 00000000")

    /// open("a.conf", O_RDONLY)
    static let open = hex(
        """
        60000000 03 00 1800 2000000000000000 ffffffff 5a100000  // metadata: FAN_OPEN, no descriptor, pid 4186
        02 00 2800  // info header: FAN_EVENT_INFO_TYPE_DFID_NAME
        ac03039d 6ab1739e 0c000000 01000000 b4b3c783 01000000 00000000  // the root directory
        612e636f 6e660000  // "a.conf", padded
        01 00 2000  // info header: FAN_EVENT_INFO_TYPE_FID
        ac03039d 6ab1739e 0c000000 01000000 65b9e5b5 03000000 00000000  // the file
        """)

    /// open(".", O_RDONLY) in the root directory
    static let openDirectory = hex(
        """
        3c000000 03 00 1800 2000004000000000 ffffffff 5a100000  // metadata: FAN_OPEN, FAN_ONDIR
        02 00 2400  // info header: FAN_EVENT_INFO_TYPE_DFID_NAME
        ac03039d 6ab1739e 0c000000 01000000 b4b3c783 01000000 00000000  // the directory itself
        2e000000  // "."
        """)

    /// execve("true", …)
    static let exec = hex(
        """
        60000000 03 00 1800 2010000000000000 ffffffff 5e100000  // metadata: FAN_OPEN, FAN_OPEN_EXEC
        02 00 2800  // info header: FAN_EVENT_INFO_TYPE_DFID_NAME
        ac03039d 6ab1739e 0c000000 01000000 b4b3c783 01000000 00000000  // the root directory
        74727565 00000000  // "true"
        01 00 2000  // info header: FAN_EVENT_INFO_TYPE_FID
        ac03039d 6ab1739e 0c000000 01000000 72382cfd 02000000 00000000  // the file
        """)

    /// mkdir("sub")
    static let makeDirectory = hex(
        """
        5c000000 03 00 1800 0001004000000000 ffffffff 5a100000  // metadata: FAN_CREATE, FAN_ONDIR
        02 00 2400  // info header: FAN_EVENT_INFO_TYPE_DFID_NAME
        ac03039d 6ab1739e 0c000000 01000000 b4b3c783 01000000 00000000  // the root directory
        73756200  // "sub"
        01 00 2000  // info header: FAN_EVENT_INFO_TYPE_FID
        ac03039d 6ab1739e 0c000000 01000000 8a27f787 04000000 00000000  // the new directory
        """)

    /// rename("a.conf", "sub/b.conf")
    static let rename = hex(
        """
        88000000 03 00 1800 0000001000000000 ffffffff 5a100000  // metadata: FAN_RENAME
        0a 00 2800  // info header: FAN_EVENT_INFO_TYPE_OLD_DFID_NAME
        ac03039d 6ab1739e 0c000000 01000000 b4b3c783 01000000 00000000  // the root directory
        612e636f 6e660000  // "a.conf"
        0c 00 2800  // info header: FAN_EVENT_INFO_TYPE_NEW_DFID_NAME
        ac03039d 6ab1739e 0c000000 01000000 8a27f787 04000000 00000000  // the directory sub
        622e636f 6e660000  // "b.conf"
        01 00 2000  // info header: FAN_EVENT_INFO_TYPE_FID
        ac03039d 6ab1739e 0c000000 01000000 65b9e5b5 03000000 00000000  // the file
        """)

    /// open("sub/b.conf", O_WRONLY), then close: the kernel merged the two
    static let openAndCloseWritable = hex(
        """
        60000000 03 00 1800 2800000000000000 ffffffff 5a100000  // metadata: FAN_OPEN, FAN_CLOSE_WRITE
        02 00 2800  // info header: FAN_EVENT_INFO_TYPE_DFID_NAME
        ac03039d 6ab1739e 0c000000 01000000 8a27f787 04000000 00000000  // the directory sub
        622e636f 6e660000  // "b.conf"
        01 00 2000  // info header: FAN_EVENT_INFO_TYPE_FID
        ac03039d 6ab1739e 0c000000 01000000 65b9e5b5 03000000 00000000  // the file
        """)

    /// The queue was full.
    static let overflow = hex(
        """
        18000000 03 00 1800 0040000000000000 ffffffff 00000000  // metadata: FAN_Q_OVERFLOW, no pid
        """)

    /// open("x", O_CREAT | O_WRONLY), then close, of a group in descriptor mode
    static let descriptor = hex(
        """
        18000000 03 00 1800 2800000000000000 04000000 5a100000  // metadata: FAN_OPEN, FAN_CLOSE_WRITE, fd 4
        """)

    static let all = [
        open, openDirectory, exec, makeDirectory, rename, openAndCloseWritable, overflow, descriptor,
    ]
}
