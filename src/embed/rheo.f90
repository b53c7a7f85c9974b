! Rheo inside a simulation code, for hosts in Fortran: rheo_embed.h, which is the manual, as a module.
!
! A host compiles this file with its own compiler, since module files fit one compiler only, and links Rheo::rheo. Functions
! return 0 or a code; rheo_message() then says what is wrong. Communicators are the integers of `use mpi`; with mpi_f08,
! comm%MPI_VAL. Arrays are as in C, so theta(D, n): one sample a column. Names are counted from 1, as the rows of theta; that of
! none is empty. Fortran 2008.
module rheo
  use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_double, c_f_pointer, c_int, c_int64_t, c_loc, c_null_char, &
    c_null_ptr, c_ptr, c_size_t
  implicit none
  private
  public :: rheo_start, rheo_end, rheo_embed_abi, rheo_message
  public :: rheo_model_load, rheo_model_destroy, rheo_model_parameters, rheo_model_data, rheo_model_parameter_name
  public :: rheo_workspace_create, rheo_workspace_destroy, rheo_sample, rheo_log_prob
  public :: rheo_feed_to_file, rheo_feed_to_trainers, rheo_feed_put, rheo_feed_try_put, rheo_feed_train, rheo_feed_close

  integer(c_int), parameter, public :: RHEO_DONE = 0, RHEO_FAILURE = 1, RHEO_INPUT = 2, RHEO_BUSY = 4

  ! As they are in C.
  interface
    integer(c_int) function rheo_start() bind(C)
      import :: c_int
    end function
    integer(c_int) function rheo_end() bind(C)
      import :: c_int
    end function
    integer(c_int) function rheo_embed_abi() bind(C)
      import :: c_int
    end function
    integer(c_int) function rheo_model_destroy(model) bind(C)
      import :: c_int, c_ptr
      type(c_ptr), intent(inout) :: model
    end function
    integer(c_int) function rheo_model_parameters(model) bind(C)
      import :: c_int, c_ptr
      type(c_ptr), value :: model
    end function
    integer(c_int) function rheo_model_data(model) bind(C)
      import :: c_int, c_ptr
      type(c_ptr), value :: model
    end function
    integer(c_int) function rheo_workspace_create(model, workspace) bind(C)
      import :: c_int, c_ptr
      type(c_ptr), value :: model
      type(c_ptr), intent(out) :: workspace
    end function
    integer(c_int) function rheo_workspace_destroy(workspace) bind(C)
      import :: c_int, c_ptr
      type(c_ptr), intent(inout) :: workspace
    end function
    integer(c_int) function rheo_log_prob(model, workspace, x, n, theta, log_prob) bind(C)
      import :: c_double, c_int, c_ptr
      type(c_ptr), value :: model, workspace
      real(c_double), intent(in) :: x(*), theta(*)
      integer(c_int), value :: n
      real(c_double), intent(out) :: log_prob(*)
    end function
    integer(c_int) function rheo_feed_put(feed, index, theta, x, failed) bind(C)
      import :: c_double, c_int, c_int64_t, c_ptr
      type(c_ptr), value :: feed
      integer(c_int64_t), value :: index
      real(c_double), intent(in) :: theta(*), x(*)
      integer(c_int), value :: failed
    end function
    integer(c_int) function rheo_feed_try_put(feed, index, theta, x, failed) bind(C)
      import :: c_double, c_int, c_int64_t, c_ptr
      type(c_ptr), value :: feed
      integer(c_int64_t), value :: index
      real(c_double), intent(in) :: theta(*), x(*)
      integer(c_int), value :: failed
    end function
  end interface

  ! With strings, and with what may be left out; their Fortran faces are below.
  interface
    integer(c_int) function c_sample(model, workspace, x, seed, first, n, theta, log_prob) bind(C, name="rheo_sample")
      import :: c_double, c_int, c_int64_t, c_ptr
      type(c_ptr), value :: model, workspace, log_prob
      real(c_double), intent(in) :: x(*)
      integer(c_int64_t), value :: seed, first
      integer(c_int), value :: n
      real(c_double), intent(out) :: theta(*)
    end function
    integer(c_int) function c_feed_close(feed, rows) bind(C, name="rheo_feed_close")
      import :: c_int, c_int64_t, c_ptr
      type(c_ptr), intent(inout) :: feed
      integer(c_int64_t), intent(out) :: rows
    end function
    type(c_ptr) function c_parameter_name(model, k) bind(C, name="rheo_model_parameter_name")
      import :: c_int, c_ptr
      type(c_ptr), value :: model
      integer(c_int), value :: k
    end function
    integer(c_size_t) function c_length(text) bind(C, name="strlen")
      import :: c_ptr, c_size_t
      type(c_ptr), value :: text
    end function
    integer(c_int) function c_model_load(comm, path, model) bind(C, name="rheo_model_load")
      import :: c_char, c_int, c_ptr
      integer(c_int), value :: comm
      character(kind=c_char), intent(in) :: path(*)
      type(c_ptr), intent(out) :: model
    end function
    integer(c_int) function c_feed_to_file(comm, path, parameters, data, capacity, feed) bind(C, name="rheo_feed_to_file")
      import :: c_char, c_int, c_ptr
      integer(c_int), value :: comm, capacity
      character(kind=c_char), intent(in) :: path(*), parameters(*), data(*)
      type(c_ptr), intent(out) :: feed
    end function
    integer(c_int) function c_feed_to_trainers(comm, is_trainer, parameters, data, capacity, feed) &
        bind(C, name="rheo_feed_to_trainers")
      import :: c_char, c_int, c_ptr
      integer(c_int), value :: comm, is_trainer, capacity
      character(kind=c_char), intent(in) :: parameters(*), data(*)
      type(c_ptr), intent(out) :: feed
    end function
    integer(c_int) function c_feed_train(feed, deck, path, rows) bind(C, name="rheo_feed_train")
      import :: c_char, c_int, c_int64_t, c_ptr
      type(c_ptr), value :: feed
      character(kind=c_char), intent(in) :: deck(*), path(*)
      integer(c_int64_t), intent(out) :: rows
    end function
    subroutine c_error_text(text, size) bind(C, name="rheo_error_text")
      import :: c_char, c_int
      character(kind=c_char), intent(out) :: text(*)
      integer(c_int), value :: size
    end subroutine
  end interface

contains

  function rheo_message() result(message)
    character(len=:), allocatable :: message
    character(len=2048, kind=c_char) :: text
    call c_error_text(text, int(len(text), c_int))
    message = trim(text(:len(text) - 1))
  end function

  function rheo_model_parameter_name(model, k) result(name)
    type(c_ptr), intent(in) :: model
    integer, intent(in) :: k
    character(len=:), allocatable :: name
    character(kind=c_char), pointer :: text(:)
    type(c_ptr) :: found
    integer :: i
    found = c_parameter_name(model, int(k - 1, c_int))
    if (.not. c_associated(found)) then
      name = ''
      return
    end if
    call c_f_pointer(found, text, [c_length(found)])
    allocate (character(len=size(text)) :: name)
    do i = 1, size(text)
      name(i:i) = text(i)
    end do
  end function

  integer(c_int) function rheo_sample(model, workspace, x, seed, first, n, theta, log_prob)
    type(c_ptr), intent(in) :: model, workspace
    real(c_double), intent(in) :: x(*)
    integer(c_int64_t), intent(in) :: seed, first
    integer(c_int), intent(in) :: n
    real(c_double), intent(out) :: theta(*)
    real(c_double), intent(out), optional, target :: log_prob(*)
    if (present(log_prob)) then
      rheo_sample = c_sample(model, workspace, x, seed, first, n, theta, c_loc(log_prob))
    else
      rheo_sample = c_sample(model, workspace, x, seed, first, n, theta, c_null_ptr)
    end if
  end function

  integer(c_int) function rheo_feed_close(feed, rows)
    type(c_ptr), intent(inout) :: feed
    integer(c_int64_t), intent(out), optional :: rows
    integer(c_int64_t) :: n
    rheo_feed_close = c_feed_close(feed, n)
    if (present(rows)) rows = n
  end function

  integer(c_int) function rheo_model_load(comm, path, model)
    integer, intent(in) :: comm
    character(len=*), intent(in) :: path
    type(c_ptr), intent(out) :: model
    rheo_model_load = c_model_load(int(comm, c_int), trim(path)//c_null_char, model)
  end function

  integer(c_int) function rheo_feed_to_file(comm, path, parameters, data, capacity, feed)
    integer, intent(in) :: comm, capacity
    character(len=*), intent(in) :: path, parameters, data
    type(c_ptr), intent(out) :: feed
    rheo_feed_to_file = c_feed_to_file(int(comm, c_int), trim(path)//c_null_char, trim(parameters)//c_null_char, &
                                       trim(data)//c_null_char, int(capacity, c_int), feed)
  end function

  integer(c_int) function rheo_feed_to_trainers(comm, is_trainer, parameters, data, capacity, feed)
    integer, intent(in) :: comm, capacity
    logical, intent(in) :: is_trainer
    character(len=*), intent(in) :: parameters, data
    type(c_ptr), intent(out) :: feed
    rheo_feed_to_trainers = c_feed_to_trainers(int(comm, c_int), merge(1_c_int, 0_c_int, is_trainer), &
                                               trim(parameters)//c_null_char, trim(data)//c_null_char, &
                                               int(capacity, c_int), feed)
  end function

  integer(c_int) function rheo_feed_train(feed, deck, path, rows)
    type(c_ptr), intent(in) :: feed
    character(len=*), intent(in) :: deck, path
    integer(c_int64_t), intent(out) :: rows
    rheo_feed_train = c_feed_train(feed, trim(deck)//c_null_char, trim(path)//c_null_char, rows)
  end function
end module
