//! Stacks: base root filesystems, bootstrapped once per machine
