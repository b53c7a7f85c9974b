! What the module rheo does beyond handing on: names, and arguments that are left out.
!   embed_host_fortran MODEL.h5 DATA.h5, a model of decay.yaml; prints kept
program embed_host
  use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t, c_ptr
  use mpi
  use rheo
  implicit none
  integer, parameter :: D = 2, C = 5, N = 7
  type(c_ptr) :: model, workspace, feed
  real(c_double) :: x(C), theta(D, N), again(D, N), log_prob(N), expected(N)
  integer :: ierr
  integer(c_int64_t) :: rows
  character(len=512) :: path

  call MPI_Init(ierr)
  call done(rheo_start())
  call get_command_argument(1, path)
  call done(rheo_model_load(MPI_COMM_WORLD, path, model))
  call assert(rheo_model_parameter_name(model, 1) == 'amplitude' .and. len(rheo_model_parameter_name(model, 1)) == 9)
  call assert(rheo_model_parameter_name(model, 2) == 'rate' .and. len(rheo_model_parameter_name(model, 2)) == 4)
  call assert(len(rheo_model_parameter_name(model, 0)) == 0 .and. len(rheo_model_parameter_name(model, D + 1)) == 0)

  call done(rheo_workspace_create(model, workspace))
  x = 0.5d0
  call done(rheo_sample(model, workspace, x, 3_c_int64_t, 10_c_int64_t, int(N, c_int), theta, log_prob))
  call done(rheo_sample(model, workspace, x, 3_c_int64_t, 10_c_int64_t, int(N, c_int), again))
  call done(rheo_log_prob(model, workspace, x, int(N, c_int), theta, expected))
  call assert(all(theta == again) .and. all(abs(log_prob - expected) < 1d-3))
  call done(rheo_workspace_destroy(workspace))
  call done(rheo_model_destroy(model))

  call get_command_argument(2, path)
  call done(rheo_feed_to_file(MPI_COMM_WORLD, path, 'a, b', '5', 4, feed))
  call done(rheo_feed_put(feed, 0_c_int64_t, theta, x, 0_c_int))
  call done(rheo_feed_close(feed))
  call done(rheo_feed_to_file(MPI_COMM_WORLD, path, 'a, b', '5', 4, feed))
  call done(rheo_feed_put(feed, 0_c_int64_t, theta, x, 0_c_int))
  call done(rheo_feed_close(feed, rows))
  call assert(rows == 1)
  call done(rheo_end())
  call MPI_Finalize(ierr)
  print '(a)', 'kept'

contains

  subroutine assert(true)
    logical, intent(in) :: true
    if (.not. true) error stop 'embed_host: not as it should be'
  end subroutine

  subroutine done(code)
    integer(c_int), intent(in) :: code
    if (code /= RHEO_DONE) write (0, '(a)') rheo_message()
    call assert(code == RHEO_DONE)
  end subroutine
end program
