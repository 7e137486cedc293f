// How a process takes memory from the system, and gives it back.

import CProcess

/// What the C library's allocator is told before anything else happens.
enum ProcessMemory {
    /// Blocks from this size on are mapped one by one, and are the system's again as soon as they are freed.
    private static let mappedFromBytes: Int32 = 512 << 10
    /// Threads share so many pools; each holds what it once needed.
    private static let pools: Int32 = 4

    /// Lets what is freed go.
    ///
    /// Left alone, the C library takes larger and larger blocks from its pools once it has seen one freed, and what lies below a
    /// block that is used stays: after the compositor's encoder was opened anew, 70 MB more than before (`docs/decisions/016`).
    static func keepSmall() {
        proscenium_keep_memory_small(mappedFromBytes, pools)
    }

    /// Lets go once of what only the start needed of the program's own files: two fifths of them.
    ///
    /// - Parameter delay: how long the start takes, with what comes up only then.
    static func letGoOfTheStart(after delay: Duration) {
        Task.detached {
            try? await Task.sleep(for: delay)
            _ = proscenium_let_go_of_files()
        }
    }
}
